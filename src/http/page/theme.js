// Sets the theme before the page is painted: the visitor's choice, else the system's.

const KEY = "eider-theme";
const CHOICES = /** @type {const} */ (["auto", "light", "dark"]);
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {(typeof CHOICES)[number]} */
function choice() {
  const stored = localStorage.getItem(KEY);
  return CHOICES.find((name) => name === stored) ?? "auto";
}

function apply() {
  const chosen = choice();
  const theme = chosen === "auto" ? (systemIsDark.matches ? "dark" : "light") : chosen;
  document.documentElement.dataset["theme"] = theme;
  const button = document.getElementById("theme");
  if (button) button.textContent = `Theme: ${chosen}`;
  document.dispatchEvent(new Event("themechange"));
}

systemIsDark.addEventListener("change", apply);
document.getElementById("theme")?.addEventListener("click", () => {
  const next = CHOICES[(CHOICES.indexOf(choice()) + 1) % CHOICES.length] ?? "auto";
  localStorage.setItem(KEY, next);
  apply();
});
apply();
