// Who sits at this screen: who has signed in, or for a while the name that was typed last.

import { signedInAs } from "./session.js";

const NAME_KEPT_MS = 10 * 60 * 1000; // how long a typed name stays: the next may be another person

let typed = { name: "", at: -Infinity };

export function who() {
  if (signedInAs()) return signedInAs();
  return performance.now() - typed.at < NAME_KEPT_MS ? typed.name : "";
}

export function remember(name) {
  typed = { name, at: performance.now() };
}
