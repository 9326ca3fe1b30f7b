// Runs before the first paint, so that a page chosen dark never flashes light.
{
  const chosen = localStorage.getItem("openledger.theme");
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
}
