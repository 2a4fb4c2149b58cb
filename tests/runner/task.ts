/** What the runner runs, and how it ends. */

/** How one run of a task ended. */
export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  /** of the run, for its line; such as where its time went */
  readonly note?: string;
  /** why it failed: one line, then what helps to understand it */
  readonly why?: string;
  /** where its logs are */
  readonly logs?: string;
  /** a fault that no second run excuses */
  readonly final?: boolean;
}

export interface Task {
  readonly name: string;
  /** what it takes on the reference machine, about; the longest begin first */
  readonly seconds: number;
  /** tasks that must have passed before it begins */
  readonly after?: readonly Task[];
  /** other tasks wait for it: it begins before all that nobody waits for */
  readonly early?: boolean;
  /** a failure may be due to chance: it is run once more, alone */
  readonly mayBeRepeated?: boolean;
  /** @param attempt 1, or 2 when it is repeated */
  run(attempt: number): Promise<Verdict>;
}

/** How a task ended. */
export interface Result {
  readonly task: Task;
  readonly verdict: Verdict;
  readonly seconds: number;
  /** the failure before it, if it passed only when it was repeated */
  readonly flaky?: Result;
}
