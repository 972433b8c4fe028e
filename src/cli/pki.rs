//! `trustpool pki`: the certificates of the extender and of kube-scheduler.

use std::path::PathBuf;

use anyhow::bail;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use jiff::SignedDuration;

use crate::certificates::Names;
use crate::clock::Clock;
use crate::pki::{self, Extender, Folder, Lives, Step, Subjects, Wish};

/// Make, show and renew the certificates by which kube-scheduler and the extender know each other.
///
/// They are in a folder that you keep: it has the key of the CA, which goes nowhere else. docs/extender.md has the
/// whole way.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool pki init
  trustpool pki secret | kubectl apply --server-side -f -
  scp trustpool-pki/{ca.crt,scheduler.crt,scheduler.key} root@MACHINE:/etc/kubernetes/trustpool/
  trustpool pki scheduler > scheduler.yaml
  trustpool pki show --within-days 60 || trustpool pki renew")]
pub struct Pki {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Init),
    Renew(Renew),
    Scheduler(Scheduler),
    Secret(Secret),
    Show(Show),
}

/// Make a CA, a certificate for the extender and one for kube-scheduler.
///
/// The names of the extender are 127.0.0.1, localhost, trustpool-extender, the loopback address of IPv6, and what
/// --names adds. Nothing is overwritten. Where it was cut short, say it again: it goes on, or names what does.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool pki init --dir trustpool-pki --names extender.example.org,10.0.0.9")]
struct Init {
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    made: Made,
}

/// Make certificates anew, or take the next step of replacing their CA.
///
/// Certificates are made anew as often as this is asked for. A CA of which two thirds of the life are over (or any,
/// with --ca) is replaced in three steps, since kube-scheduler reads its CA once; each says what to do on the
/// machines before the next. Which step is next is known from the folder.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool pki renew                 # certificates anew
  trustpool pki renew --ca            # 1: a new CA, believed beside the old one
  trustpool pki renew --done          # 2: certificates by the new CA, once every kube-scheduler was restarted
  trustpool pki renew --done          # 3: the old CA is believed no longer, once the certificates are in place")]
struct Renew {
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    made: Made,
    /// Replace the CA, whatever its age.
    #[arg(long)]
    ca: bool,
    /// What the last step asked for on the machines has been done.
    #[arg(long)]
    done: bool,
    /// Take that for granted so long after the last step, such as `24h`: where something else than you does it.
    #[arg(long, value_name = "DURATION")]
    wait: Option<SignedDuration>,
}

/// Print the configuration of kube-scheduler, for its flag --config.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool pki scheduler > /etc/kubernetes/trustpool/scheduler.yaml")]
struct Scheduler {
    /// Where ca.crt, scheduler.crt and scheduler.key are, on the machines of kube-scheduler.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "/etc/kubernetes/trustpool"
    )]
    dir: PathBuf,
    /// How kube-scheduler reaches the API server.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/kubernetes/scheduler.conf"
    )]
    kubeconfig: PathBuf,
    /// How it reaches the extender.
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:9470")]
    url: String,
}

/// Print the Secret of the extender: its certificate, its key, and the CAs that it believes.
///
/// The key of the CA is not in it. With `kubectl apply --server-side` no copy of it is kept in an annotation.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool pki secret | kubectl apply --server-side -f -")]
struct Secret {
    #[command(flatten)]
    folder: FolderArgs,
    /// The namespace of the Secret.
    #[arg(long, default_value = "trustpool-system", env = "TRUSTPOOL_NAMESPACE")]
    namespace: String,
    /// The name of the Secret.
    #[arg(long, default_value = "trustpool-extender-tls")]
    name: String,
}

/// Show what is there, when it expires and what is wrong.
///
/// Fails if something is wrong, or expires soon. Also for a machine's own folder.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool pki show --within-days 60
  trustpool pki show --dir /etc/kubernetes/trustpool")]
struct Show {
    #[command(flatten)]
    folder: FolderArgs,
    /// What expires within so many days is wrong.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = days())]
    within_days: u32,
}

#[derive(Args, Debug)]
struct FolderArgs {
    /// The folder.
    #[arg(long = "dir", value_name = "FOLDER", default_value = "trustpool-pki")]
    folder: PathBuf,
}

/// What is made.
#[derive(Args, Debug)]
struct Made {
    /// More names of the extender: DNS names and IP addresses, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    names: Vec<String>,
    /// The name of the client, which the extender's --extender-client-name must be as well [default:
    /// system:kube-scheduler, or what it was].
    #[arg(long, value_name = "NAME")]
    client_name: Option<String>,
    /// How many days a certificate lives, never longer than its CA.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days())]
    days: u32,
    /// How many days a new CA lives.
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = days())]
    ca_days: u32,
}

/// A day to a hundred years.
fn days() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=36_500)
}

fn length(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

impl Made {
    fn lives(&self) -> Lives {
        Lives {
            authority: length(self.ca_days),
            certificate: length(self.days),
        }
    }

    fn subjects(self) -> anyhow::Result<Subjects> {
        let more = self.names.iter().map(String::as_str);
        Ok(Subjects {
            extender: Names::new(Subjects::EVERYWHERE.into_iter().chain(more))?,
            scheduler: self.client_name,
        })
    }
}

impl Pki {
    /// Does what was asked for.
    ///
    /// # Errors
    ///
    /// It could not be done, or something is wrong with what is there.
    pub(super) fn run(self, clock: &Clock) -> anyhow::Result<()> {
        match self.command {
            Command::Init(it) => it.run(clock),
            Command::Renew(it) => it.run(clock),
            Command::Scheduler(it) => {
                it.run();
                Ok(())
            }
            Command::Secret(it) => it.run(),
            Command::Show(it) => it.run(clock),
        }
    }
}

impl Init {
    fn run(self, clock: &Clock) -> anyhow::Result<()> {
        let (folder, lives) = (Folder::at(self.folder.folder), self.made.lives());
        pki::init(&folder, &self.made.subjects()?, lives, clock.wall())?;
        let path = folder.path().display();
        print(&format!(
            "Made in `{path}`: a CA, a certificate for the extender, one for kube-scheduler. Keep ca.key to yourself.\n\n\
             Now:\n\
             1. trustpool pki secret --dir {path} | kubectl apply --server-side -f -\n\
             2. copy ca.crt, scheduler.crt and scheduler.key to /etc/kubernetes/trustpool on every machine of the control plane\n\
             3. there: trustpool pki scheduler > /etc/kubernetes/trustpool/scheduler.yaml, and kube-scheduler's flag --config\n"
        ));
        Ok(())
    }
}

impl Renew {
    fn run(self, clock: &Clock) -> anyhow::Result<()> {
        let (folder, lives) = (Folder::at(self.folder.folder), self.made.lives());
        let wish = Wish {
            authority: self.ca,
            done: self.done,
            wait: self.wait,
        };
        // Where there is nothing to renew, nothing is left behind either.
        folder.read()?;
        let _lock = folder.lock()?;
        let (state, now) = (folder.read()?, clock.wall());
        let step = pki::plan(&state, wish, now)?;
        let subjects = self.made.subjects()?.kept(&state);
        pki::take(&step, &folder, &state, &subjects, lives, now)?;
        print(&after(&step, &folder));
        Ok(())
    }
}

/// What was done, and what is to be done now.
fn after(step: &Step, folder: &Folder) -> String {
    let path = folder.path().display();
    let secret = format!("trustpool pki secret --dir {path} | kubectl apply --server-side -f -");
    let copy = "to /etc/kubernetes/trustpool on every machine of the control plane";
    let then = format!("When that is done: trustpool pki renew --dir {path} --done\n");
    match step {
        Step::Announce(why) => format!(
            "1 of 3: made a new CA ({why}), believed beside the old one; certificates are as they were.\n\n\
             Now:\n\
             1. {secret}\n\
             2. copy ca.crt {copy}\n\
             3. restart each kube-scheduler, one after another: it reads its CA once. A static pod is restarted by moving\n\
             \x20  its manifest out of /etc/kubernetes/manifests, and back when the pod is gone.\n\n{then}"
        ),
        Step::TakeOver => format!(
            "2 of 3: made certificates by the new CA, which issues from here on; the old one is still believed.\n\n\
             Now:\n\
             1. {secret}\n\
             2. copy scheduler.crt and scheduler.key {copy}; nothing is restarted\n\n{then}"
        ),
        Step::Drop => format!(
            "3 of 3: the old CA is believed no longer.\n\n\
             Now:\n\
             1. {secret}\n\
             2. copy ca.crt {copy}; nothing is restarted\n"
        ),
        Step::Issue(why) => format!(
            "Made certificates anew: {why}.\n\n\
             Now:\n\
             1. {secret}\n\
             2. copy scheduler.crt and scheduler.key {copy}; nothing is restarted\n"
        ),
    }
}

impl Scheduler {
    fn run(&self) {
        print(&pki::scheduler(Extender {
            url: &self.url,
            folder: &self.dir,
            kubeconfig: &self.kubeconfig,
        }));
    }
}

impl Secret {
    fn run(self) -> anyhow::Result<()> {
        let folder = Folder::at(self.folder.folder);
        print(&pki::secret(&folder, &self.namespace, &self.name)?);
        Ok(())
    }
}

impl Show {
    fn run(self, clock: &Clock) -> anyhow::Result<()> {
        let state = Folder::at(self.folder.folder).read()?;
        let report = pki::report(&state, length(self.within_days), clock.wall());
        print(&report.to_string());
        match report.findings.len() {
            0 => Ok(()),
            1 => bail!("one thing is wrong"),
            wrong => bail!("{wrong} things are wrong"),
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn print(text: &str) {
    print!("{text}");
}
