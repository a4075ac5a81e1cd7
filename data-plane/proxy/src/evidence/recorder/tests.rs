//! What a command waits for, and how long, on a disk that does not answer.

use super::super::medium::Directory;
use super::super::spool::Writer;
use super::super::syncer::{STALLED_AFTER, Synchronise};
use super::super::tests::*;
use super::*;
use hoop_model::Incarnation;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender};
use tokio::task::LocalSet;
use tokio::time::Instant;

/// A recorder whose every synchronisation waits for a word.
struct Stage {
    recorder: Rc<Recorder>,
    ledger: Arc<Ledger>,
    /// Lets one synchronisation go on: well, or as a failure.
    word: Sender<bool>,
    /// Told when one begins.
    begun: Receiver<()>,
    cuts: Receiver<Cut>,
    _place: Place,
}

impl Stage {
    fn set() -> Self {
        let place = Place::new(7);
        let (word, words) = threads::channel();
        let (begins, begun) = threads::channel();
        let synchronise: Synchronise = Box::new(move |file| {
            let _ = begins.send(());
            if words.recv().unwrap_or(true) { file.synchronise() } else { Err(io::ErrorKind::Other.into()) }
        });
        let writer = Writer { node: node(), incarnation: Incarnation::mint(7), shard: 0, stride: 1 };
        let spool = Spool::new(place.directory.clone(), writer);
        let syncer = Syncer::start("syncer".to_owned(), synchronise).unwrap();
        let (cut, cuts) = threads::channel();
        let ledger = Arc::clone(&place.ledger);
        let recorder = Rc::new(Recorder::<Directory>::new(spool, syncer, Arc::clone(&ledger), cut));
        let running = Rc::clone(&recorder);
        tokio::task::spawn_local(async move { running.run().await });
        Self { recorder, ledger, word, begun, cuts, _place: place }
    }

    async fn record(&self, durability: Durability) -> Result<Receipt, RecorderUnavailable> {
        let written = self.recorder.record(&answered(1), session(1))?;
        self.recorder.durable(written, durability).await
    }

    fn is_refused(&self) -> bool {
        self.recorder.record(&answered(1), session(1)).is_err()
    }
}

/// Runs a test with time that only passes when everybody waits.
fn on_stage<F: Future<Output = ()>>(test: impl FnOnce(Stage) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async { test(Stage::set()).await }));
}

/// Waits for something that a thread does. Time passes only when nobody has anything to do, so it does not pass here.
async fn untimed<T>(future: impl Future<Output = T>) -> T {
    let never = until(|| false);
    tokio::select! {
        biased;
        done = future => done,
        () = never => unreachable!("it never holds"),
    }
}

/// Lets other tasks run until something holds; what a thread does takes time that does not pass here.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn dp_04_a_strict_command_is_refused_within_2_s_of_a_disk_that_never_answers() {
    on_stage(|stage| async move {
        let began = Instant::now();
        assert!(stage.record(Durability::Synchronised).await.is_err());
        assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
        let again = Instant::now();
        for durability in [Durability::Written, Durability::Synchronised] {
            assert!(stage.record(durability).await.is_err());
        }
        assert_eq!(again.elapsed(), Duration::ZERO, "the disk is known to hang");
        stage.word.send(true).unwrap();
        until(|| !stage.is_refused()).await;
    });
}

#[test]
fn dp_04_a_standard_command_is_refused_2_s_after_the_first_record_that_a_hanging_disk_did_not_take() {
    on_stage(|stage| async move {
        // Between two looks at whether something is to be synchronised: as late as it can be noticed.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        let _ = stage.record(Durability::Written).await.unwrap();
        tokio::time::sleep(STALLED_AFTER).await;
        assert!(!stage.is_refused(), "not after 1.4 s: a disk may be slow");
        tokio::time::sleep_until(began + Duration::from_secs(2)).await;
        assert!(stage.is_refused());
        // What has happened is recorded all the same.
        let _ = stage.recorder.note(&closed(), session(1)).unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(stage.is_refused());
        stage.word.send(true).unwrap();
        until(|| !stage.is_refused()).await;
    });
}

#[test]
fn a_strict_receipt_is_there_only_after_the_disk_has_the_record() {
    on_stage(|stage| async move {
        let answer = RefCell::new(None);
        let asked = async { answer.replace(Some(stage.record(Durability::Synchronised).await)) };
        let watched = async {
            until(|| stage.begun.try_recv().is_ok()).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
                assert!(answer.borrow().is_none(), "the disk has not answered");
            }
            stage.word.send(true).unwrap();
        };
        untimed(async { tokio::join!(asked, watched) }).await;
        let receipt = answer.take().unwrap().unwrap();
        assert_eq!((receipt.durability(), receipt.head().sequence), (Durability::Synchronised, 1));
    });
}

#[test]
fn commands_that_come_while_the_disk_works_share_the_next_round() {
    on_stage(|stage| async move {
        let first = stage.record(Durability::Synchronised);
        let word = stage.word.clone();
        let others = async {
            until(|| stage.begun.try_recv().is_ok()).await;
            let others = futures_util::future::join_all((0..10).map(|_| stage.record(Durability::Synchronised)));
            let released = async {
                tokio::task::yield_now().await;
                word.send(true).unwrap();
                word.send(true).unwrap();
            };
            tokio::join!(others, released).0
        };
        let (first, others) = untimed(async { tokio::join!(first, others) }).await;
        assert!(first.is_ok() && others.iter().all(Result::is_ok));
        assert_eq!(stage.begun.try_iter().count(), 1, "one round for the ten");
    });
}

#[test]
fn dp_04_after_an_error_of_fdatasync_nothing_is_forwarded_until_the_records_are_kept_all_the_same() {
    on_stage(|stage| async move {
        stage.word.send(false).unwrap();
        assert!(untimed(stage.record(Durability::Synchronised)).await.is_err());
        let mut cut = None;
        until(|| {
            cut = cut.take().or_else(|| stage.cuts.try_recv().ok());
            cut.is_some()
        })
        .await;
        let cut = cut.unwrap();
        assert!(cut.given_up && cut.ends_chain && cut.length > 0);
        assert!(stage.is_refused() && !stage.ledger.is_well());
        let _ = stage.recorder.note(&closed(), session(1)).unwrap();
        assert!(stage.is_refused());
        stage.ledger.recovered();
        let receipt = stage.recorder.record(&answered(1), session(1)).unwrap();
        assert_eq!(receipt.head().sequence, 2, "in the chain that followed");
    });
}

#[test]
fn dp_04_whoever_keeps_too_much_refuses_until_it_is_shipped() {
    on_stage(|stage| async move {
        stage.ledger.advanced(None, (1 << 20) + 1);
        assert!(stage.is_refused());
        let _ = stage.recorder.note(&closed(), session(1)).unwrap();
        let name = super::super::name::PieceName { incarnation: Incarnation::mint(7), shard: 0, first: 1 };
        stage.ledger.sealed(name, 1 << 20, 0, false);
        let segment = stage.ledger.next().remove(0);
        stage.ledger.stored(&segment);
        assert!(!stage.is_refused());
    });
}

#[test]
fn the_rest_of_the_node_hears_how_far_the_chain_has_come_on_the_disk() {
    on_stage(|stage| async move {
        let _ = stage.record(Durability::Written).await.unwrap();
        let receipt = stage.record(Durability::Written).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3100)).await;
        assert!(stage.ledger.heads().is_empty(), "the disk has taken nothing yet");
        // One word for what is brought to the disk every half a second, one for the question that is asked with it.
        stage.word.send(true).unwrap();
        stage.word.send(true).unwrap();
        for _ in 0..1_000_000 {
            if !stage.ledger.heads().is_empty() {
                break;
            }
            // The disk's thread lives by the clock on the wall.
            std::thread::yield_now();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let heads = stage.ledger.heads();
        assert_eq!(heads.iter().map(|head| head.head).collect::<Vec<_>>(), [receipt.head()]);
        stage.recorder.end();
        let cut = stage.cuts.try_recv().unwrap();
        assert!(!cut.given_up);
    });
}

#[test]
fn au_02_after_a_hole_the_next_record_begins_another_chain() {
    on_stage(|stage| async move {
        let _ = stage.recorder.note(&answered(1), session(1)).unwrap();
        let _ = stage.recorder.note(&answered(2), session(1)).unwrap();
        // Another shard's is none of its business.
        stage.ledger.break_off(&chain_id(7, 1), None);
        let _ = stage.recorder.note(&answered(3), session(1)).unwrap();
        assert!(stage.cuts.try_recv().is_err());
        stage.ledger.break_off(&chain_id(7, 0), None);
        let _ = stage.recorder.note(&answered(4), session(1)).unwrap();
        let cut = stage.cuts.try_recv().unwrap();
        assert_eq!((cut.name.shard, cut.name.first, cut.ends_chain, cut.given_up), (0, 1, true, false));
        let files = stage._place.files();
        assert!(files.iter().any(|file| file.ends_with("-1-00000000000000000001.open")), "{files:?}");
        assert!(!stage.is_refused());
    });
}
