//! Handlers that take their time, and tell when they are dropped.

use std::{sync::Mutex, time::Duration};

use rpc_runtime::{Ctx, Result, service};

use crate::tally::Tally;

/// Takes its time. What happens is counted under `name` and a word behind it.
#[service]
pub trait Work {
    /// Waits for ever.
    async fn wait(&self, name: &str) -> Result<()>;

    /// Waits for ever, as a task of its own.
    #[rpc(spawn)]
    async fn wait_spawned(&self, name: &str) -> Result<()>;

    /// Waits for ever, unless its caller waits less.
    #[rpc(deadline = "300ms")]
    async fn wait_briefly(&self, name: &str) -> Result<()>;

    /// Answers after so many milliseconds.
    async fn sleep(&self, millis: u64) -> Result<()>;

    /// Gives work to `wait_until`, which ends after 20 ms, and waits for ever.
    async fn keep(&self, name: &str) -> Result<()>;

    /// Spawns work that waits for ever, and answers when that has begun.
    async fn child(&self, name: &str) -> Result<()>;

    /// Appends to a list.
    async fn note(&self, number: u32) -> Result<()>;

    /// The list.
    async fn notes(&self) -> Result<Vec<u32>>;
}

pub(crate) struct Works {
    tally: Tally,
    notes: Mutex<Vec<u32>>,
}

impl Works {
    pub(crate) fn new(tally: Tally) -> Self {
        Self { tally, notes: Mutex::default() }
    }

    async fn wait_for_ever(&self, name: &str) -> Result<()> {
        let _counted = self.tally.at_drop(format!("{name}.dropped"));
        self.tally.add(format!("{name}.entered"));
        std::future::pending().await
    }
}

impl Work for Works {
    async fn wait(&self, name: &str) -> Result<()> {
        self.wait_for_ever(name).await
    }

    async fn wait_spawned(&self, name: &str) -> Result<()> {
        self.wait_for_ever(name).await
    }

    async fn wait_briefly(&self, name: &str) -> Result<()> {
        self.wait_for_ever(name).await
    }

    async fn sleep(&self, millis: u64) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(())
    }

    async fn keep(&self, name: &str) -> Result<()> {
        let (tally, name_of_work) = (self.tally.clone(), format!("{name}.kept"));
        Ctx::current().wait_until(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            tally.add(name_of_work);
        })?;
        self.wait_for_ever(name).await
    }

    async fn child(&self, name: &str) -> Result<()> {
        let (began, begins) = tokio::sync::oneshot::channel();
        let counted = self.tally.at_drop(format!("{name}.dropped"));
        let _child = Ctx::current().spawn(async move {
            let _counted = counted;
            // Whoever waits for it has ended then.
            let _ = began.send(());
            std::future::pending::<()>().await;
        })?;
        begins.await.map_err(rpc_runtime::Error::application)
    }

    async fn note(&self, number: u32) -> Result<()> {
        self.notes.lock().expect("nothing panics in here").push(number);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn notes(&self) -> Result<Vec<u32>> {
        Ok(self.notes.lock().expect("nothing panics in here").clone())
    }
}
