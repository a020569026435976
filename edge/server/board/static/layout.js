// How many columns and how high the tiles are, so that the whole ward fits the screen without scrolling. Pure.

const GAP = 12;
// What a tile is in letters' heights (tiles.css): stacked; and where it is at least half as wide again as high, with figures beside the words.
const LETTERS = { attention: { high: 15.4, wide: 13.4, beside: { high: 11.2, wide: 20 } }, others: { high: 11.7, wide: 11.5, beside: { high: 9, wide: 17 } } };
const BESIDE = 1.5;
const LARGER = 1.7; // how much larger tiles that need attention are, where there is room
export const WIDEST = 2.5; // width of a tile for its height, at most
const SMALLEST = { attention: { width: 170, height: 160 }, others: { width: 150, height: 112 } }; // letters of 12 px fit

// How large its letters are in width x height pixels.
function lettersOf({ width, height }, part) {
  const { beside, ...stacked } = LETTERS[part];
  const form = width >= BESIDE * height ? beside : stacked;
  return Math.min(width / form.wide, height / form.high);
}

// The grid for `count` tiles in width x height pixels with the largest letters: columns, a tile, and its letters.
export function grid(count, width, height, part) {
  let best = { columns: 1, height: 0, size: -1 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tile = { width: (width - (columns - 1) * GAP) / columns, height: (height - (rows - 1) * GAP) / rows };
    const size = lettersOf({ width: Math.min(tile.width, WIDEST * tile.height), height: tile.height }, part);
    if (size > best.size) best = { columns, height: tile.height, size, width: tile.width };
  }
  return best;
}

// Grids of both parts: tiles that need attention, and the others.
export function layout(attention, others, width, height) {
  if (!attention || !others) {
    const only = readable(Math.max(1, attention + others), width, height, attention ? "attention" : "others");
    return { attention: only, others: only };
  }
  let best = null;
  for (let share = 0.2; share <= 0.85; share += 0.025) {
    const heights = [share * (height - GAP), (1 - share) * (height - GAP)];
    const worth = Math.min(grid(attention, width, heights[0], "attention").size, LARGER * grid(others, width, heights[1], "others").size);
    if (!best || worth > best.worth) best = { worth, heights };
  }
  return { attention: readable(attention, width, best.heights[0], "attention"), others: readable(others, width, best.heights[1], "others") };
}

// The grid; tiles that would be too small to read are as small as they may be, and where the rows do not fit the page scrolls.
function readable(count, width, height, part) {
  const found = grid(count, width, height, part);
  const smallest = SMALLEST[part];
  if (found.height >= smallest.height && found.width >= smallest.width) return found;
  const columns = Math.min(found.columns, Math.max(1, Math.floor((width + GAP) / (smallest.width + GAP))));
  const rows = Math.ceil(count / columns);
  return { columns, height: Math.max(smallest.height, (height - (rows - 1) * GAP) / rows) };
}
