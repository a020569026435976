// The colours of spectrograms: magma (Smith and van der Walt, CC0), even in lightness from black to pale yellow, so that
// a step of some dB looks alike everywhere, also to who does not see red or green, and in grey. As `edge/pictures`.

const ANCHORS = "0000040303120a0822130d341d114729115a36106b440f7651127c5d177f6a1c81762181832681902a819c2e7faa337db73779c43c75d0416f" +
  "dc4869e75263ef5d5ef56b5cf9795dfc8961fd9869fea772feb67cfec488fed395fde2a3fcf0b2fcfdbf"; // 33 of them, evenly
const COUNT = 256;

const anchor = (index, channel) => parseInt(ANCHORS.substr(6 * index + 2 * channel, 2), 16);

function table() {
  const colours = new Uint32Array(COUNT);
  const last = ANCHORS.length / 6 - 1;
  for (let step = 0; step < COUNT; step += 1) {
    const place = (step / (COUNT - 1)) * last;
    const low = Math.min(Math.floor(place), last - 1);
    const mixed = [0, 1, 2].map((channel) => Math.round(anchor(low, channel) + (place - low) * (anchor(low + 1, channel) - anchor(low, channel))));
    colours[step] = (255 << 24) | (mixed[2] << 16) | (mixed[1] << 8) | mixed[0]; // as bytes in memory: red, green, blue, opaque
  }
  return colours;
}

// COUNT colours as 32-bit pixels of an ImageData.
export const COLOURS = table();

export const cssColour = (share) => {
  const pixel = COLOURS[Math.round(Math.max(0, Math.min(1, share)) * (COUNT - 1))];
  return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
};
