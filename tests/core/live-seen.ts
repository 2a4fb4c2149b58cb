/** What histories did: a test that never met one of these proves little. */
export const SEEN = {
  cuts: 0,
  held: 0,
  live: 0,
  abandoned: 0,
  clean: 0,
  resumed: 0,
  renewed: 0,
  dropped: 0,
  loadedLive: 0,
  loadedClean: 0,
  refused: 0,
  foreign: 0,
  unsure: 0,
  kept: 0,
  ended: 0,
  loadedSnapshot: 0,
};
