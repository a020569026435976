// Acknowledging the alarms of a bed, wherever a page offers it.

import { order } from "./session.js";
import { answerable } from "./tile.js";
import { who } from "./who.js";

// Every alarm of a bed that is signalled, each in the episode that the screen shows.
export async function acknowledge(tile) {
  const answers = await Promise.all(
    answerable(tile).map((line) =>
      order(tile, "acknowledge", { by: who(), condition: line.condition, ...(line.episode ? { episode: line.episode } : {}) }),
    ),
  );
  return answers.find((answer) => !answer.ok) ?? { ok: true, reason: "" };
}
