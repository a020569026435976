// How many columns and how high the tiles are, so that the whole ward fits the screen without scrolling. Pure.

const GAP = 12;
const ASPECT = 1.3; // width of a tile for its height
const LARGER = 1.7; // how much larger tiles that need attention are, where there is room
export const WIDEST = 2.5; // width of a tile for its height, at most
const SMALLEST = { attention: { width: 170, height: 160 }, others: { width: 150, height: 112 } }; // letters of 12 px fit

// The best grid for `count` tiles in width x height pixels: columns, height of a tile, and its size.
export function grid(count, width, height) {
  let best = { columns: 1, height: 0, size: -1 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tile = { width: (width - (columns - 1) * GAP) / columns, height: (height - (rows - 1) * GAP) / rows };
    const size = Math.min(tile.width / ASPECT, tile.height);
    if (size > best.size) best = { columns, height: tile.height, size, width: tile.width };
  }
  return best;
}

// Grids of both parts: tiles that need attention, and the others.
export function layout(attention, others, width, height) {
  if (!attention || !others) {
    const only = atLeast(grid(Math.max(1, attention + others), width, height), width, attention ? "attention" : "others");
    return { attention: only, others: only };
  }
  let best = null;
  for (let share = 0.2; share <= 0.85; share += 0.025) {
    const first = grid(attention, width, share * (height - GAP));
    const second = grid(others, width, (1 - share) * (height - GAP));
    const worth = Math.min(first.size, LARGER * second.size);
    if (!best || worth > best.worth) best = { worth, first, second };
  }
  return { attention: atLeast(best.first, width, "attention"), others: atLeast(best.second, width, "others") };
}

// Tiles that would be too small to read are as small as they may be, and the page scrolls.
function atLeast(found, width, part) {
  const smallest = SMALLEST[part];
  if (found.height >= smallest.height && found.width >= smallest.width) return found;
  const columns = Math.max(1, Math.floor((width + GAP) / (smallest.width + GAP)));
  return { ...found, columns: Math.min(columns, found.columns), height: Math.max(found.height, smallest.height) };
}
