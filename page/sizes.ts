/** Sizes and places as texts. */
import { grouped, humanBytes, offsetText, percentText } from '../host/quantities.js';

export { grouped, offsetText };

export const sizeText = (bytes: number): string => humanBytes(BigInt(Math.round(bytes)));
export const shareText = (part: number, whole: number): string => percentText(whole === 0 ? 0 : (part / whole) * 100);
