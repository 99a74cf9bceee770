/** A text that UTF-8 can carry: half of a surrogate pair, as cutting leaves it, becomes U+FFFD. */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
