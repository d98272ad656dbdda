//! What the command line and the environment say; secrets that cannot be printed by accident.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::version::Version;
use crate::monitoring::thresholds::Thresholds;

const TOKEN_HELP: &str = "make one: Administration → Users and access → Service accounts → Add service account, then \
     Add token; put it into a file that only you can read and pass --token-file FILE";

/// Sends the dashboards, alert rules, contact points and policies to a Grafana.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Where Grafana is; else GRAFANA_URL
    #[arg(long, value_name = "URL")]
    grafana_url: Option<String>,
    /// A file that holds a service account's token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A service account's token; else GRAFANA_TOKEN. Others can see arguments: prefer the file
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// The old name of --token; else GRAFANA_API_KEY
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["token", "token_file"])]
    api_key: Option<String>,
    /// The uid of the Prometheus data source; else PROMETHEUS_UID, else the only one there is
    #[arg(long, value_name = "UID")]
    prometheus_uid: Option<String>,
    /// The title of the folder for dashboards and rules; made when missing
    #[arg(long, value_name = "NAME", default_value = "Forewarm")]
    folder: String,
    /// This site's figures, as for gen --thresholds
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,
    /// Print what would be sent, send nothing; needs neither token nor network
    #[arg(long)]
    dry_run: bool,
    /// Only the folder and the dashboards (Prometheus and Alertmanager do the alerting)
    #[arg(long)]
    no_alerts: bool,
    /// Leave contact points alone; routes use those that exist under our names
    #[arg(long)]
    no_contact_points: bool,
    /// Replace the organisation's whole policy tree by ours, other teams' routes included
    #[arg(long)]
    own_policy_tree: bool,
    /// Write contact points again although they look the same: Grafana never shows their secrets
    #[arg(long)]
    update_secrets: bool,
    /// Keep what is provisioned from being edited in Grafana's pages (the whole policy tree, too)
    #[arg(long)]
    lock: bool,
    /// A PEM file with the authorities to trust, in place of the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where the policy tree is kept before it is changed
    #[arg(long, value_name = "FOLDER", default_value = "target/grafana-backup")]
    backup_dir: PathBuf,
    /// With --dry-run: the version whose fields are printed
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "13.0",
        requires = "dry_run"
    )]
    for_version: Version,
}

/// A value that is sent and never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(super) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// Everything that a run needs to know.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// `None` is possible in a dry run only.
    pub(super) url: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) prometheus_uid: Option<String>,
    pub(super) folder: String,
    pub(super) thresholds: Thresholds,
    pub(super) dry_run: bool,
    pub(super) alerts: bool,
    pub(super) contact_points: bool,
    pub(super) own_policy_tree: bool,
    pub(super) update_secrets: bool,
    pub(super) lock: bool,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) backup_dir: PathBuf,
    pub(super) for_version: Version,
    /// The variables that contact points name, with their values where they are set.
    pub(super) secrets: Vec<(&'static str, Option<Secret>)>,
    /// What the user should know before anything happens.
    pub(super) warnings: Vec<String>,
}

/// The variables that hold the secrets of contact points.
pub(super) const SECRETS: [&str; 2] = ["PAGERDUTY_SERVICE_KEY", "SLACK_WEBHOOK_URL"];

impl Settings {
    /// Arguments before environment; an empty variable counts as unset.
    pub(super) fn new(
        arguments: Arguments,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let mut warnings = Vec::new();
        let url = arguments
            .grafana_url
            .clone()
            .or_else(|| variable("GRAFANA_URL"));
        let token = token(&arguments, &variable, &mut warnings)?;
        if !arguments.dry_run {
            if url.is_none() {
                bail!(
                    "where is Grafana? pass --grafana-url URL or set GRAFANA_URL \
                     (or look at what would be sent: --dry-run)"
                );
            }
            if token.is_none() {
                bail!("no token; {TOKEN_HELP}");
            }
        }
        let folder = arguments.folder.trim().to_owned();
        if folder.is_empty() {
            bail!("--folder is empty: alert rules can't lie in the root folder");
        }
        if arguments.own_policy_tree && arguments.no_alerts {
            bail!("--own-policy-tree and --no-alerts contradict each other");
        }
        Ok(Self {
            url,
            token,
            prometheus_uid: arguments
                .prometheus_uid
                .or_else(|| variable("PROMETHEUS_UID")),
            folder,
            thresholds: arguments
                .thresholds
                .as_deref()
                .map_or_else(|| Ok(Thresholds::default()), Thresholds::from_file)?,
            dry_run: arguments.dry_run,
            alerts: !arguments.no_alerts,
            contact_points: !arguments.no_alerts && !arguments.no_contact_points,
            own_policy_tree: arguments.own_policy_tree,
            update_secrets: arguments.update_secrets,
            lock: arguments.lock,
            ca_file: arguments.ca_file,
            backup_dir: arguments.backup_dir,
            for_version: arguments.for_version,
            secrets: SECRETS
                .map(|name| (name, variable(name).as_deref().and_then(Secret::new)))
                .to_vec(),
            warnings,
        })
    }

    /// The same with asterisks in the place of each secret that is set.
    pub(super) fn with_masked_secrets(&self) -> Self {
        let mut masked = self.clone();
        let secrets = masked
            .secrets
            .iter_mut()
            .filter_map(|(_, secret)| secret.as_mut());
        for secret in secrets.chain(&mut masked.token) {
            "********".clone_into(&mut secret.0);
        }
        masked
    }

    /// `text` with every secret in it replaced by asterisks.
    pub(super) fn masked(&self, text: &str) -> String {
        let contact_points = self
            .secrets
            .iter()
            .filter_map(|(_, secret)| secret.as_ref());
        let mut text = text.to_owned();
        // What is shorter is no secret, and its letters are everywhere.
        let long = |secret: &&Secret| secret.0.len() >= 6;
        for secret in contact_points.chain(&self.token).filter(long) {
            text = text.replace(secret.reveal(), "********");
        }
        text
    }
}

fn token(
    arguments: &Arguments,
    variable: &impl Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Result<Option<Secret>> {
    if let Some(path) = &arguments.token_file {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
        let token = Secret::new(&text).with_context(|| format!("{shown} is empty"))?;
        return Ok(Some(token));
    }
    if let Some(token) = &arguments.token {
        warnings.push(
            "--token can be seen by other users of this machine: prefer --token-file".to_owned(),
        );
        return Ok(Secret::new(token));
    }
    let old = "Grafana has replaced API keys by service account tokens";
    if let Some(token) = &arguments.api_key {
        warnings.push(format!(
            "--api-key is an old name ({old}): use --token-file"
        ));
        return Ok(Secret::new(token));
    }
    if let Some(token) = variable("GRAFANA_TOKEN") {
        return Ok(Secret::new(&token));
    }
    let key = variable("GRAFANA_API_KEY");
    if key.is_some() {
        warnings.push(format!(
            "GRAFANA_API_KEY is an old name ({old}): use GRAFANA_TOKEN"
        ));
    }
    Ok(key.as_deref().and_then(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn settings(line: &[&str], environment: &[(&str, &str)]) -> Result<Settings> {
        let line = Line::try_parse_from([&["x"], line].concat())?;
        Settings::new(line.arguments, |name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_argument_wins_over_the_environment_and_an_empty_variable_is_none() {
        let environment = [
            ("GRAFANA_URL", "http://environment"),
            ("GRAFANA_TOKEN", " "),
            ("GRAFANA_API_KEY", "old"),
            ("PROMETHEUS_UID", "p"),
        ];
        let found =
            settings(&["--grafana-url", "http://argument"], &environment).expect("it is enough");
        assert_eq!(found.url.as_deref(), Some("http://argument"));
        assert_eq!(found.token, Secret::new("old"));
        assert_eq!(found.prometheus_uid.as_deref(), Some("p"));
        assert!(found.warnings[0].contains("GRAFANA_API_KEY is an old name"));
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let error = |line: &[&str]| {
            settings(line, &[])
                .expect_err("it lacks something")
                .to_string()
        };
        assert!(error(&[]).contains("--grafana-url URL or set GRAFANA_URL"));
        assert!(error(&["--grafana-url", "http://h"]).contains("Service accounts"));
        assert!(settings(&["--dry-run"], &[]).is_ok());
        assert!(error(&["--dry-run", "--folder", " "]).contains("--folder is empty"));
    }

    #[test]
    fn a_token_file_is_read_and_its_token_masked_in_everything() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "glsa_secret\n").expect("written");
        let path = file.path().to_string_lossy().into_owned();
        let line = ["--grafana-url", "http://h", "--token-file", &path];
        let found =
            settings(&line, &[("SLACK_WEBHOOK_URL", "https://hook/T0")]).expect("it is enough");
        assert!(found.warnings.is_empty());
        assert_eq!(
            found.masked("a glsa_secret b https://hook/T0"),
            "a ******** b ********"
        );
        assert!(!format!("{found:?}").contains("glsa_secret"));
        assert!(!format!("{found:?}").contains("hook"));
    }
}
