//! Worker processes and the cases between them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::options::Options;
use crate::suite::{Case, Outcome, Result, Verdict};

/// Cases that a worker takes at a time: neighbours share schemas and data.
const CHUNK: usize = 25;

/// Runs every case. Gives the verdicts in the order of the cases.
pub(crate) fn run(cases: &[Case], options: &Options) -> Result<Vec<Verdict>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.unwrap_or(cores).clamp(1, 64);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Verdict)>> = Mutex::new(Vec::with_capacity(cases.len()));
    let failures: Mutex<Vec<String>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                if let Err(message) = serve(cases, options, &next, &done) {
                    lock(&failures).push(message);
                }
            });
        }
    });
    if let Some(message) = lock(&failures).pop() {
        return Err(message);
    }
    let mut done = std::mem::take(&mut *lock(&done));
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, verdict)| verdict).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    cases: &[Case],
    options: &Options,
    next: &AtomicUsize,
    done: &Mutex<Vec<(usize, Verdict)>>,
) -> Result<()> {
    let mut worker: Option<Worker> = None;
    let limit = Duration::from_secs(options.limit);
    loop {
        let start = next.fetch_add(CHUNK, Ordering::Relaxed);
        let chunk = cases.iter().enumerate().skip(start).take(CHUNK);
        if start >= cases.len() {
            return Ok(());
        }
        for (at, case) in chunk {
            let mut current = match worker.take() {
                Some(worker) => worker,
                None => Worker::start(options)?,
            };
            let verdict = match current.run(&case.line, limit) {
                Ok(verdict) => {
                    worker = Some(current);
                    verdict
                }
                Err(reason) => {
                    let end = current.stop();
                    Verdict::new(Outcome::Crashed, reason.unwrap_or(end))
                }
            };
            lock(done).push((at, verdict));
        }
    }
}

struct Worker {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
}

impl Worker {
    /// Starts this program again, with the same arguments and the same rules switched off, as a worker.
    fn start(options: &Options) -> Result<Self> {
        let failed = |e: std::io::Error| format!("cannot start a worker: {e}");
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(std::env::args_os().skip(1))
            .args(options.disable.iter().flat_map(|rule| ["--disable", rule]))
            .arg("--worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a worker has no pipes".to_owned());
        };
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Worker {
            child,
            input,
            output: receiver,
        })
    }

    /// Runs a case; the error is the reason, if it is known.
    fn run(&mut self, case: &str, limit: Duration) -> std::result::Result<Verdict, Option<String>> {
        let sent = writeln!(self.input, "{case}").and_then(|()| self.input.flush());
        sent.map_err(|_| None)?;
        match self.output.recv_timeout(limit) {
            Ok(line) => serde_json::from_str(&line).map_err(|_| Some(format!("it said {line}"))),
            Err(RecvTimeoutError::Timeout) => {
                Err(Some(format!("no result after {} s", limit.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(None),
        }
    }

    /// Ends the process and says how it ended.
    fn stop(mut self) -> String {
        // It may have ended already.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => format!("the process ended ({status})"),
            Err(error) => format!("the process is gone ({error})"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
