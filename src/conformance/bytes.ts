/** Bodies that are not plain text. */

/** Compresses a text, or `repeat` times the same one. */
export async function gzip(text: string, repeat = 1): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let left = repeat;
  const source = new ReadableStream<BufferSource>({
    pull(controller) {
      if (left > 0) controller.enqueue(bytes);
      else controller.close();
      left -= 1;
    },
  });
  const packed = source.pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** A body that is never ready, and counts what is taken of it. */
export function endless(most: number): {
  readonly body: ReadableStream<Uint8Array>;
  taken(): number;
} {
  const chunk = new TextEncoder().encode(" ".repeat(64 * 1024));
  let taken = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      taken += chunk.length;
      if (taken > most) controller.close();
      else controller.enqueue(chunk);
    },
  });
  return { body, taken: () => taken };
}
