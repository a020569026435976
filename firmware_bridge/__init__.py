"""The link to microcontrollers: nothing here yet; `edge.sources` reads files and microphones."""
