//! What happens when a file has changed.

use std::{collections::BTreeSet, env, fmt, mem, path::Path};

use super::{
    Reload,
    files::{Files, absolute},
    say, shown_time,
};
use crate::config::Config;

impl Reload {
    /// Which files there are, as the last build and the configuration say.
    pub(super) fn find_files(&mut self) {
        let mut configs = BTreeSet::new();
        for file in &self.config_files {
            configs.insert(absolute(file));
            // The process that reads them tells what is wrong with them, and each may be mended by itself.
            let named = Config::files_named_in(file, self.environment.as_deref());
            configs.extend(named.iter().map(|path| absolute(path)));
        }
        self.files = Files::of(&self.exe, &self.more, configs);
        if let Err(error) = self.notice.watch(self.files.folders()) {
            say(&format!("the system does not tell of every change, so it is looked every 2 s: {error}\n"));
        }
    }

    pub(super) fn look_at_files(&mut self) {
        if self.building.is_some() {
            return;
        }
        let now = self.files.look();
        if let Some(path) = now.changed_source(&self.seen, self.has_failed) {
            say(&format!("{} has changed: it is built again\n", shown(path)));
            self.seen.set_sources(&now);
            self.build();
        } else if let Some(path) = now.changed_config(&self.seen) {
            say(&format!("{} has changed\n", shown(path)));
            self.start();
        } else if now.has_other_program(&self.seen) {
            say("the program has changed\n");
            self.start();
        }
    }

    fn build(&mut self) {
        match self.build.start() {
            Ok(building) => self.building = Some(building),
            Err(error) => {
                self.has_failed = true;
                say(&format!("the build cannot be started: {error}{}\n", self.goes_on()));
            }
        }
    }

    pub(super) fn look_at_build(&mut self) {
        let Some(building) = &mut self.building else { return };
        let Some(ended) = building.ended() else { return };
        let took = shown_time(building.took());
        self.building = None;
        match ended {
            Ok(status) if status.success() => self.built(&took),
            Ok(status) => self.not_built(&took, &status),
            Err(error) => self.not_built(&took, &error),
        }
        // What has changed meanwhile.
        self.look_at_files();
    }

    fn not_built(&mut self, took: &str, why: &dyn fmt::Display) {
        self.has_failed = true;
        say(&format!("the build has failed after {took}, {why}{}\n", self.goes_on()));
    }

    fn built(&mut self, took: &str) {
        self.has_failed = false;
        self.find_files();
        let now = self.files.look();
        let is_other = now.has_other_program(&self.seen) || !self.build.is_cargo();
        let starts = is_other || now.changed_config(&self.seen).is_some() || self.serving.is_none();
        // Whatever has changed while it was built is seen to be other than this.
        self.seen = now.with_sources_of(mem::take(&mut self.seen));
        if starts {
            say(&format!("rebuilt in {took}\n"));
            self.start();
        } else {
            say(&format!("rebuilt in {took}, and it is the same program{}\n", self.goes_on()));
        }
    }
}

/// From where the user is, if it lies below.
fn shown(path: &Path) -> String {
    let here = env::current_dir().ok();
    let below = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}
