// Symmetric linear systems, and numbers of 16 bits.

/** Return the lower triangle of a symmetric, positive definite matrix's Cholesky decomposition, by rows. */
export function decompose(matrix, size) {
  const lower = new Float64Array(size * size);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      const [first, second] = [row * size, column * size];
      let sum = matrix[first + column];
      for (let n = 0; n < column; n += 1) sum -= lower[first + n] * lower[second + n];
      lower[first + column] = row === column ? Math.sqrt(sum) : sum / lower[second + column];
    }
  }
  return lower;
}

/** Return the solution of a decomposed system for right sides (size, columns), by rows. */
export function solve(lower, size, sides, columns) {
  const values = Float64Array.from(sides);
  const subtract = (row, from, factor) => {
    for (let n = 0; n < columns; n += 1) values[row * columns + n] -= factor * values[from * columns + n];
  };
  const divide = (row) => {
    for (let n = 0; n < columns; n += 1) values[row * columns + n] /= lower[row * size + row];
  };
  for (let row = 0; row < size; row += 1) {
    for (let n = 0; n < row; n += 1) subtract(row, n, lower[row * size + n]);
    divide(row);
  }
  for (let row = size - 1; row >= 0; row -= 1) {
    divide(row);
    for (let n = 0; n < row; n += 1) subtract(n, row, lower[row * size + n]);
  }
  return values;
}

/** Return the number of the 16 bits of a half-precision float. */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

/** Return the 16 bits of the half-precision float that is nearest to a number, halves to even. */
export function toHalf(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0, size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -14))), step = 2 ** (exponent - 10);
  const units = size / step, low = Math.floor(units), rest = units - low;
  const rounded = (low + (rest > 0.5 || (rest === 0.5 && low % 2) ? 1 : 0)) * step;
  if (rounded >= 65_520 || rounded > 65_504) return sign | 0x7c00;
  if (rounded < 2 ** -14) return sign | Math.round(rounded / 2 ** -24);
  const power = Math.floor(Math.log2(rounded));
  return sign | ((power + 15) << 10) | Math.round((rounded / 2 ** power - 1) * 1024);
}

/** Return a number rounded to half precision. */
export const roundHalf = (value) => fromHalf(toHalf(value));
