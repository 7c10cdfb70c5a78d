// Sending a request until it is answered: the token, idempotency keys, and what may be sent again.

export type Fetch = (request: Request) => Promise<Response>;
export type Token = string | (() => string | Promise<string>);

export interface Retrying {
  /** How often a request is sent at most; 1 never sends again. */
  readonly attempts: number;
  /** The pause before the second attempt; it doubles from then on. */
  readonly firstPauseMilliseconds: number;
  readonly longestPauseMilliseconds: number;
  /**
   * For how long a request is sent on, beyond `attempts`, while another one of its key is carried out: longer than the
   * service takes one for alive whose process has died.
   */
  readonly patienceMilliseconds: number;
}

export const RETRYING: Retrying = {
  attempts: 5,
  firstPauseMilliseconds: 200,
  longestPauseMilliseconds: 5000,
  patienceMilliseconds: 90_000,
};

const KEY = "Idempotency-Key";
// What HTTP calls idempotent and we can tell apart: a DELETE sent again would find nothing, and a PATCH may add up.
const REPEATABLE = new Set(["GET", "HEAD", "PUT"]);
const PASSING = new Set([429, 502, 503, 504]);

/** `fetch` for the API: signs in, names each POST, and sends again what may be sent again. */
export function sending(fetcher: Fetch, token: Token | null, retrying: Retrying): Fetch {
  return async (given) => {
    const request = await prepared(given, token);
    const isRepeatable = REPEATABLE.has(request.method) || request.headers.has(KEY);
    const attempts = isRepeatable ? retrying.attempts : 1;
    let pause = retrying.firstPauseMilliseconds;
    let patientUntil: number | null = null;
    for (let attempt = 1; ; attempt++) {
      // A clone, because a body can be sent only once.
      const answer = await fetcher(request.clone()).catch((error: unknown) => {
        if (attempt >= attempts || request.signal.aborted) throw error;
        return null;
      });
      if (answer !== null && attempts > 1 && isCarriedOut(answer)) {
        patientUntil ??= performance.now() + retrying.patienceMilliseconds;
        if (performance.now() < patientUntil) attempt--;
      }
      if (answer !== null && (attempt >= attempts || !passes(answer))) return answer;
      await answer?.body?.cancel();
      await sleep(askedFor(answer) ?? pause, request.signal);
      pause = Math.min(2 * pause, retrying.longestPauseMilliseconds);
    }
  };
}

/** Waits, unless the signal is aborted before. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

async function prepared(given: Request, token: Token | null): Promise<Request> {
  const headers = new Headers(given.headers);
  if (token !== null) {
    headers.set("Authorization", `Bearer ${typeof token === "function" ? await token() : token}`);
  }
  if (given.method === "POST" && !headers.has(KEY)) headers.set(KEY, crypto.randomUUID());
  return new Request(given, { headers });
}

/** Whether what is wrong passes by itself. */
function passes(answer: Response): boolean {
  return PASSING.has(answer.status) || isCarriedOut(answer);
}

/** Whether another request of the same key is at it: the one 409 that says when to come again. */
function isCarriedOut(answer: Response): boolean {
  return answer.status === 409 && answer.headers.has("Retry-After");
}

function askedFor(answer: Response | null): number | null {
  const seconds = Number(answer?.headers.get("Retry-After") ?? NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}
