//! The Redis port against a Redis, with redis-benchmark, in the same run on the same machine.
//!
//! Both servers hold the same thousand keys. Rounds alternate between the two, so that a machine
//! that gets busier does so for all; the table has the medians. What a server costs is the CPU
//! time of all its threads (`/proc/PID/task/*/schedstat`, nanoseconds) over the requests. Of
//! Forewarm the threads that answer are told apart from the rest, which learns, plans and keeps the
//! books. A third server (`resp_floor`) answers without looking anything up: what it takes, the system takes.
//! For misses it is one that only forwards (`resp_floor_miss`).

mod servers;

use std::fmt::Write as _;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};

use super::suites::Options;
use super::{PAGE, markers};
use crate::command::{captured, on_path, run as run_command};
use crate::workspace::Workspace;
use servers::{Server, forewarm, helper, redis};

const KEYS: &str = "1000";
const VALUE_BYTES: &str = "64";
const CLIENTS: &str = "50";
const ROUNDS: usize = 7;
/// In the short form.
const QUICK_ROUNDS: usize = 3;

/// What redis-benchmark is asked to do.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    pipeline: &'static str,
    clients: &'static str,
    requests: u64,
    /// Keys asked for: those that are held, or so many that L1 holds none of them for long.
    keys: &'static str,
}

const HITS: [Load; 2] = [
    Load {
        name: "hits, `-P 1`",
        pipeline: "1",
        clients: CLIENTS,
        requests: 100_000,
        keys: KEYS,
    },
    Load {
        name: "hits, `-P 16`",
        pipeline: "16",
        clients: CLIENTS,
        requests: 1_000_000,
        keys: KEYS,
    },
];

const MISSES: [Load; 2] = [
    Load {
        name: "misses, one client",
        pipeline: "1",
        clients: "1",
        requests: 5_000,
        keys: "100000",
    },
    Load {
        name: "misses, `-P 16`",
        pipeline: "16",
        clients: CLIENTS,
        requests: 100_000,
        keys: "100000",
    },
];

/// One client that misses, with L2 as far away as it is where it is not on the same machine.
const FAR: Load = Load {
    name: "misses, one client, L2 far away",
    pipeline: "1",
    clients: "1",
    requests: 400,
    keys: "100000",
};
/// What the relay before L2 holds replies back for, in microseconds; timers add up to a millisecond.
const DISTANCE: &str = "1000";
/// An L1 that holds next to nothing: every read goes on to L2.
const TINY: [&str; 2] = ["l1.capacity_bytes=1KiB", "warming.mode=off"];

/// One run of redis-benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    cpu_ns: f64,
    /// Of it, the threads that answer.
    answering_ns: f64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures, prints the table and writes it into the page; in the short form only prints it.
pub(super) fn run(workspace: &Workspace, options: Options) -> Result<()> {
    let (rounds, profile) = match options.quick {
        true => (QUICK_ROUNDS, "release"),
        false => (ROUNDS, "dist"),
    };
    for program in ["redis-server", "redis-benchmark"] {
        if on_path(program).is_none() {
            bail!("{program} is not installed; run: cargo xtask setup");
        }
    }
    let mut cargo = workspace.cargo(&["build", "--profile", profile, "--package=forewarm-service"]);
    cargo.args(["--bin", "forewarm"]);
    for example in ["resp_floor", "resp_floor_miss", "slow_link"] {
        cargo.args(["--example", example]);
    }
    run_command(&mut cargo)?;
    let built = workspace.target().join(profile);
    let binary = built.join("forewarm");
    let example = |name: &str| built.join("examples").join(name);
    let redis = redis()?;
    let floor = helper(&example("resp_floor"), &[])?;
    let mut rows = Vec::new();
    {
        let forewarm = forewarm(&binary, redis.port, &[])?;
        fill(redis.port, KEYS)?;
        let three = Three {
            redis: &redis,
            forewarm: &forewarm,
            floor: Some(&floor),
        };
        three.measure(&HITS, rounds, &mut rows)?;
    }
    {
        let forewarm = forewarm(&binary, redis.port, &TINY)?;
        fill(redis.port, "100000")?;
        let floor = helper(&example("resp_floor_miss"), &[&redis.port.to_string()])?;
        let three = Three {
            redis: &redis,
            forewarm: &forewarm,
            floor: Some(&floor),
        };
        three.measure(&MISSES, rounds, &mut rows)?;
    }
    let far = {
        let relay = helper(&example("slow_link"), &[&redis.port.to_string(), DISTANCE])?;
        let forewarm = forewarm(&binary, relay.port, &TINY)?;
        let mut rows = Vec::new();
        let three = Three {
            redis: &relay,
            forewarm: &forewarm,
            floor: None,
        };
        three.measure(&[FAR], rounds, &mut rows)?;
        rows.pop().context("it was measured")?
    };
    let table = table(&rows, &far, &versions(workspace, rounds)?);
    println!("{table}");
    if options.quick {
        return Ok(());
    }
    let page = workspace.path(PAGE);
    let text = std::fs::read_to_string(&page).with_context(|| format!("reading {PAGE}"))?;
    let text = markers::replaced(&text, "resp", &table).with_context(|| PAGE.to_owned())?;
    std::fs::write(&page, text).with_context(|| format!("writing {PAGE}"))
}

/// One line of the table: the load, the medians of Redis, of Forewarm, and of the floor.
struct Row {
    load: Load,
    redis: Run,
    forewarm: Run,
    floor: Option<Run>,
}

/// The servers that take turns.
struct Three<'a> {
    redis: &'a Server,
    forewarm: &'a Server,
    floor: Option<&'a Server>,
}

impl Three<'_> {
    fn measure(&self, loads: &[Load], rounds: usize, rows: &mut Vec<Row>) -> Result<()> {
        for load in loads {
            let servers = [Some(self.redis), Some(self.forewarm), self.floor];
            let mut runs = [const { Vec::new() }; 3];
            // The first round is for L1 and every buffer to become as they will be.
            for round in 0..=rounds {
                for (server, runs) in servers.iter().zip(&mut runs) {
                    let Some(server) = server else { continue };
                    let run = benchmark(server, *load)?;
                    if round > 0 {
                        runs.push(run);
                    }
                }
            }
            eprintln!("{}: measured", load.name);
            let [direct, through, nothing] = runs;
            rows.push(Row {
                load: *load,
                redis: median(&direct),
                forewarm: median(&through),
                floor: self.floor.map(|_| median(&nothing)),
            });
        }
        Ok(())
    }
}

/// Writes every key (redis-benchmark picks them at random: twenty times as many writes miss one
/// in e^20).
fn fill(port: u16, keys: &str) -> Result<()> {
    let count: u64 = keys.parse().context("a number of keys")?;
    let mut fill = Command::new("redis-benchmark");
    fill.args([
        "-p",
        &port.to_string(),
        "-t",
        "set",
        "-r",
        keys,
        "-d",
        VALUE_BYTES,
    ]);
    fill.args(["-n", &(count * 20).to_string(), "-P", "64", "-q"]);
    captured(&mut fill).map(drop)
}

fn benchmark(server: &Server, load: Load) -> Result<Run> {
    let before = cpu_ns(&server.process)?;
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &server.port.to_string(), "-t", "get", "--csv"]);
    command.args(["-r", load.keys, "-c", load.clients, "-P", load.pipeline]);
    command.args(["-n", &load.requests.to_string()]);
    let output = captured(&mut command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let spent = cpu_ns(&server.process)?;
    let (per_second, p50_ms, p99_ms) =
        figures(&text).with_context(|| format!("redis-benchmark said: {text}"))?;
    Ok(Run {
        cpu_ns: (spent.0 - before.0) / load.requests as f64,
        answering_ns: (spent.1 - before.1) / load.requests as f64,
        per_second,
        p50_ms,
        p99_ms,
    })
}

/// Requests per second, p50 and p99 of redis-benchmark's CSV: the columns by their names.
fn figures(csv: &str) -> Option<(f64, f64, f64)> {
    let mut lines = csv.lines().skip_while(|line| !line.starts_with("\"test\""));
    let columns: Vec<_> = lines
        .next()?
        .split(',')
        .map(|name| name.trim_matches('"'))
        .collect();
    let values: Vec<_> = lines
        .next()?
        .split(',')
        .map(|value| value.trim_matches('"'))
        .collect();
    let value = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        values.get(at)?.parse::<f64>().ok()
    };
    Some((
        value("rps")?,
        value("p50_latency_ms")?,
        value("p99_latency_ms")?,
    ))
}

/// CPU time of a process so far: of all its threads, and of those that serve the Redis protocol.
fn cpu_ns(process: &Child) -> Result<(f64, f64)> {
    let tasks = format!("/proc/{}/task", process.id());
    let (mut all, mut answering) = (0.0, 0.0);
    for task in std::fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
        let task = task?.path();
        let read = |file| std::fs::read_to_string(task.join(file));
        // A thread may end between the two.
        let (Ok(text), Ok(name)) = (read("schedstat"), read("comm")) else {
            continue;
        };
        let spent = text.split(' ').next().unwrap_or_default();
        let spent = spent
            .parse::<f64>()
            .with_context(|| format!("schedstat says {text:?}"))?;
        all += spent;
        if name.starts_with("forewarm-resp") {
            answering += spent;
        }
    }
    Ok((all, answering))
}

fn median(runs: &[Run]) -> Run {
    let middle = |figure: fn(&Run) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Run {
        cpu_ns: middle(|run| run.cpu_ns),
        answering_ns: middle(|run| run.answering_ns),
        per_second: middle(|run| run.per_second),
        p50_ms: middle(|run| run.p50_ms),
        p99_ms: middle(|run| run.p99_ms),
    }
}

/// What the figures depend on.
fn versions(workspace: &Workspace, rounds: usize) -> Result<String> {
    let redis = captured(&mut workspace.command("redis-server", &["--version"]))?;
    let redis = String::from_utf8_lossy(&redis.stdout).into_owned();
    let version = redis
        .split(" v=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(format!(
        "redis-server {}, {processors} processors shared with redis-benchmark, median of {rounds} \
         rounds",
        version.unwrap_or("?")
    ))
}

fn table(rows: &[Row], far: &Row, versions: &str) -> String {
    let mut text = String::from(
        "| GET | CPU per request: Redis | Forewarm, all threads | answering alone | the floor \
         | requests/s: Redis | Forewarm | the floor | p50 ms: Redis | Forewarm | the floor \
         | p99 ms: Redis | Forewarm |\n",
    );
    text += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for row in rows {
        let (redis, forewarm) = (row.redis, row.forewarm);
        let against = |ns: f64| format!("{ns:.0} ns, {:.2} ×", ns / redis.cpu_ns);
        let of_floor =
            |figure: fn(&Run) -> String| row.floor.as_ref().map_or("–".to_owned(), figure);
        let floor = row.floor.map_or("–".to_owned(), |run| against(run.cpu_ns));
        writeln!(
            text,
            "| {} | {:.0} ns | {} | {} | {floor} | {:.0} | {:.0}, {:.2} × | {} | {:.3} | {:.3} | {} \
             | {:.3} | {:.3} |",
            row.load.name,
            redis.cpu_ns,
            against(forewarm.cpu_ns),
            against(forewarm.answering_ns),
            redis.per_second,
            forewarm.per_second,
            forewarm.per_second / redis.per_second,
            of_floor(|run| format!("{:.0}", run.per_second)),
            redis.p50_ms,
            forewarm.p50_ms,
            of_floor(|run| format!("{:.3}", run.p50_ms)),
            redis.p99_ms,
            forewarm.p99_ms,
        )
        .expect("a String takes every write");
    }
    let (direct, through) = (far.redis.p50_ms, far.forewarm.p50_ms);
    text + &format!(
        "\n{versions}.\n\nWith a relay before Redis that holds replies back for {DISTANCE} µs, one \
         client: a direct read takes {direct:.2} ms (p50), a miss {through:.2} ms, {:.2} ×.",
        through / direct
    )
}

#[cfg(test)]
mod tests {
    use super::servers::listens;
    use super::*;

    #[test]
    fn the_figures_are_found_by_the_names_of_their_columns() {
        let csv = "WARNING: something\n\"test\",\"rps\",\"avg_latency_ms\",\"p50_latency_ms\",\
                   \"p99_latency_ms\"\n\"GET\",\"1000.50\",\"1\",\"0.25\",\"0.75\"\n";
        assert_eq!(figures(csv), Some((1000.5, 0.25, 0.75)));
        assert_eq!(figures("\"test\",\"rps\"\n"), None);
    }

    #[test]
    fn the_port_is_read_from_the_line_that_names_it() {
        assert_eq!(
            listens("forewarm: Redis protocol on redis://127.0.0.1:6380"),
            Some(6380)
        );
        assert_eq!(
            listens("forewarm: listening on http://127.0.0.1:9464"),
            None
        );
    }

    #[test]
    fn the_table_has_the_ratios_of_the_medians() {
        let run = |cpu_ns, per_second| Run {
            cpu_ns,
            answering_ns: cpu_ns * 0.9,
            per_second,
            p50_ms: 0.1,
            p99_ms: 0.2,
        };
        let direct = median(&[run(900.0, 1.0), run(1000.0, 100.0), run(5000.0, 3.0)]);
        assert_eq!((direct.cpu_ns, direct.per_second), (1000.0, 3.0));
        let row = Row {
            load: HITS[0],
            redis: direct,
            forewarm: run(800.0, 6.0),
            floor: Some(run(600.0, 9.0)),
        };
        let far = Row {
            load: FAR,
            redis: direct,
            forewarm: direct,
            floor: None,
        };
        let text = table(&[row], &far, "redis-server 7");
        let cells =
            "| 1000 ns | 800 ns, 0.80 × | 720 ns, 0.72 × | 600 ns, 0.60 × | 3 | 6, 2.00 × | 9 |";
        assert!(text.contains(cells), "{text}");
        assert!(text.ends_with("0.10 ms, 1.00 ×."), "{text}");
    }
}
