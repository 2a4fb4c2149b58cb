/** Returns the folder that holds wasm3's sources, after fetching them if need be. */
export function fetchWasm3(): string;
