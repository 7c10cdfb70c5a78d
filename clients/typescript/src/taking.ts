/** The body of an answer. Refusals do not come so far: they have been thrown as ProblemError. */
export async function take<Body>(answer: Promise<{ data?: Body; response: Response }>): Promise<Body> {
  return (await answer).data as Body;
}
