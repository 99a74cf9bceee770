/** One Arrow IPC message: the bare flatbuffer `Message` and its body. */
export interface Frame {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** Bytes before `body` in its ArrayBuffer that hold nothing: the envelope may be written there, which saves a copy. */
  readonly room?: number;
}
