// Light or dark, as the system is set.

/** Follow the colour scheme of the system. */
export function followColorScheme() {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.body.classList.toggle("dark", query.matches);
  query.addEventListener("change", apply);
  apply();
}
