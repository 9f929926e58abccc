// Statistics of lists of numbers, as NumPy computes them for unvoiced/.

const ascending = (a, b) => a - b;

/** Return the quantile of numbers at a share, 0 to 1, interpolated. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort(ascending);
  const place = share * (sorted.length - 1), low = Math.floor(place), next = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[next] - sorted[low]);
}

/** Return the median of numbers. */
export const median = (values) => quantile(values, 0.5);

/** Return `values` at the integers, at places between the integers `known`; constant beyond them. */
export function interpolate(count, known, values) {
  const result = new Float64Array(count);
  for (let place = 0, n = 0; place < count; place += 1) {
    while (n + 1 < known.length && known[n + 1] <= place) n += 1;
    const isBeyond = place <= known[0] || n + 1 >= known.length;
    const share = isBeyond ? 0 : (place - known[n]) / (known[n + 1] - known[n]);
    result[place] = values[n] + (isBeyond ? 0 : share * (values[n + 1] - values[n]));
  }
  return result;
}

/** Return angles without jumps of full turns, as NumPy's unwrap. */
export function unwrapAngles(angles) {
  const turn = 2 * Math.PI, result = Float64Array.from(angles);
  let offset = 0;
  for (let n = 1; n < angles.length; n += 1) {
    const step = angles[n] - angles[n - 1];
    if (Math.abs(step) >= Math.PI) {
      let within = ((((step + Math.PI) % turn) + turn) % turn) - Math.PI;
      if (within === -Math.PI && step > 0) within = Math.PI;
      offset += within - step;
    }
    result[n] = angles[n] + offset;
  }
  return result;
}

/** Return the sums of `kernel` times each run of `values` that is as long; the kernel is symmetric. */
export function convolve(values, kernel) {
  return Float64Array.from({ length: values.length - kernel.length + 1 }, (_, first) => {
    let sum = 0;
    for (let n = 0; n < kernel.length; n += 1) sum += kernel[n] * values[first + n];
    return sum;
  });
}

/** Return `values` with their ends repeated `reach` times. */
export function padEdges(values, reach) {
  const last = values.length - 1;
  return Float64Array.from({ length: values.length + 2 * reach }, (_, n) => values[Math.min(Math.max(n - reach, 0), last)]);
}

/**
 * Return two or more values, reflected about their ends `reach` places beyond them.
 * @param {boolean} isOdd continues the trend; otherwise the curve turns back
 */
export function reflectEnds(values, reach, isOdd) {
  const last = values.length - 1, period = 2 * last, drift = isOdd ? 2 * (values[last] - values[0]) : 0;
  return Float64Array.from({ length: values.length + 2 * reach }, (_, n) => {
    const place = n - reach, turns = Math.floor(place / period), within = place - turns * period;
    if (within <= last) return values[within] + turns * drift;
    const mirrored = values[period - within];
    return (isOdd ? 2 * values[last] - mirrored : mirrored) + turns * drift;
  });
}
