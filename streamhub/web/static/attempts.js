/** Reading that is tried again as long as the server is away. */

const PAUSE = 1000;

export class Attempts {
  #refused;
  #recovered;
  #failing = false;
  #barred = false;
  #waiting = null;
  #timer = 0;
  #turn = 0;
  #stopped = false;

  /**
   * @param refused called with every error that is no abort: with those, too, that are tried again
   * @param recovered called when it works again
   */
  constructor({ refused, recovered }) {
    this.#refused = refused;
    this.#recovered = recovered;
  }

  /** Whether something that failed is to be tried again. */
  get pending() {
    return this.#waiting !== null;
  }

  /** Whether what failed last would fail again: only who looks at it asks for it once more. */
  get barred() {
    return this.#barred;
  }

  /** Do something that reads; gives null when it cannot be done (now). */
  async run(action) {
    const turn = this.#turn;
    try {
      const result = await action();
      this.#barred = false;
      if (this.#failing) {
        this.#failing = false;
        this.#recovered();
      }
      return result;
    } catch (error) {
      if (turn === this.#turn) this.failed(error, action);
      return null;
    }
  }

  /** Something failed: have it done again in a while, if that may help. */
  failed(error, action) {
    if (error.name === "AbortError" || this.#stopped) return;
    this.#failing = true;
    this.#barred = error.status !== 0 && !(error.status >= 429);
    this.#refused(error);
    if (this.#barred) return;
    clearTimeout(this.#timer);
    this.#waiting = action;
    this.#timer = setTimeout(() => this.again(), PAUSE);
  }

  /** Try at once what failed last: something has changed. */
  again() {
    this.#barred = false;
    clearTimeout(this.#timer);
    const action = this.#waiting;
    this.#waiting = null;
    if (action && !this.#stopped) this.run(action);
  }

  /** What was asked for is not wanted any more, even if it fails later. */
  forget() {
    this.#turn += 1;
    this.#barred = false;
    this.#waiting = null;
    clearTimeout(this.#timer);
  }

  stop() {
    this.forget();
    this.#stopped = true;
  }
}
