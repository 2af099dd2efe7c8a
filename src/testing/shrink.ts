/** Makes what fails as short and as plain as it can be, by trying what is shorter and plainer. */

/** How often something may be tried: each try takes one off. */
export interface Tries {
  left: number;
}

/** Whether a list still fails in the way that matters. */
export type Fails<S> = (items: readonly S[]) => Promise<boolean>;

/** The shortest list found that still fails: parts of it are left out, halves first, single items last. */
export async function shorten<S>(
  items: readonly S[],
  fails: Fails<S>,
  tries: Tries,
): Promise<readonly S[]> {
  let best = items;
  for (
    let size = Math.ceil(best.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let from = 0; from < best.length && tries.left > 0;) {
      const shorter = [...best.slice(0, from), ...best.slice(from + size)];
      tries.left -= 1;
      if (await fails(shorter)) best = shorter;
      else from += size;
    }
  }
  return best;
}

/** The same number of items, each as plain as it can be: `plainer` gives what to try for one, the plainest first. */
export async function simplify<S>(
  items: readonly S[],
  plainer: (item: S) => readonly S[],
  fails: Fails<S>,
  tries: Tries,
): Promise<readonly S[]> {
  let best = items;
  for (let at = 0; at < best.length; at += 1) {
    for (let isPlainer = true; isPlainer;) {
      isPlainer = false;
      for (const candidate of plainer(best[at] as S)) {
        if (tries.left <= 0) return best;
        tries.left -= 1;
        const tried = best.with(at, candidate);
        if (!(await fails(tried))) continue;
        best = tried;
        isPlainer = true;
        break;
      }
    }
  }
  return best;
}
