// Where an element has been in the last moments: a press counts only if what is under it now was there all the time.
// Else it may have meant what was there before. A tile that only became larger or smaller under the finger is taken.

export const STEADY_MS = 600;

export class Steady {
  #element;
  #boxes = [{ left: 0, top: 0, right: 0, bottom: 0 }]; // the last is where it is; before it was nowhere

  constructor(element) {
    this.#element = element;
  }

  // To be called whenever the element may have moved.
  note() {
    const rectangle = this.#element.getBoundingClientRect();
    const [x, y] = [window.scrollX, window.scrollY];
    const box = { left: rectangle.left + x, top: rectangle.top + y, right: rectangle.right + x, bottom: rectangle.bottom + y };
    const last = this.#boxes.at(-1);
    if (Object.keys(box).every((side) => Math.abs(box[side] - last[side]) < 1)) return;
    last.untilMs = performance.now();
    this.#boxes.push(box);
    this.#boxes = this.#boxes.filter((each) => isRecent(each));
  }

  // Whether the element has been under a press (a mouse event) for long enough; keys mean what has the focus.
  takes(event) {
    if (event.detail === 0) return true;
    this.note();
    const { pageX: x, pageY: y } = event;
    return this.#boxes.filter(isRecent).every(({ left, top, right, bottom }) => x >= left && x <= right && y >= top && y <= bottom);
  }
}

function isRecent(box) {
  return box.untilMs === undefined || performance.now() - box.untilMs < STEADY_MS;
}
