/** What a viewer has chosen, kept in this browser: how times are shown, and the theme. */

const CHOICES = { times: ["relative", "local", "utc"], theme: ["system", "light", "dark"] };
const DEFAULTS = { times: "local", theme: "system" };

class Settings extends EventTarget {
  #values = { ...DEFAULTS };

  constructor() {
    super();
    for (const name of Object.keys(CHOICES)) {
      const value = read(name);
      if (CHOICES[name].includes(value)) this.#values[name] = value;
    }
    this.#applyTheme();
  }

  get times() {
    return this.#values.times;
  }

  get theme() {
    return this.#values.theme;
  }

  /** Choose; `change` follows. */
  set(name, value) {
    if (!CHOICES[name].includes(value)) return;
    this.#values[name] = value;
    write(name, value);
    this.#applyTheme();
    this.dispatchEvent(new Event("change"));
  }

  /** The choice after the one that holds. */
  after(name) {
    const choices = CHOICES[name];
    return choices[(choices.indexOf(this.#values[name]) + 1) % choices.length];
  }

  #applyTheme() {
    if (this.theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
  }
}

// Storage may be switched off: then a choice holds as long as the page.
function read(name) {
  try {
    return localStorage.getItem(`streamhub.${name}`);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(`streamhub.${name}`, value);
  } catch {
    // see above
  }
}

export const settings = new Settings();
