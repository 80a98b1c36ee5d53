// What every command gets: settings, sinks, progress, and the server's endpoint when it asks for it.
import { type Config, readConfig } from './config.ts';
import { makeProgress, type Progress } from './output/progress.ts';
import { openSink, type Sink } from './output/sink.ts';

export interface Context {
  config: Config;
  stdout: Sink;
  stderr: Sink;
  progress: Progress;
}

export function makeContext(): Context {
  const stderr = openSink(2);
  return { config: readConfig(), stdout: openSink(1), stderr, progress: makeProgress(stderr) };
}
