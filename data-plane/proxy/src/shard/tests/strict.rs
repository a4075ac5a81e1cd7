//! Connections whose records must be on the disk before anything is forwarded, on disks that wait.

use super::*;

#[test]
fn a_strict_connection_forwards_nothing_before_the_disk_has_the_record() {
    let (word, words) = std::sync::mpsc::channel();
    let (begins, begun) = std::sync::mpsc::channel();
    let synchronise: Synchronise = Box::new(move |file| {
        let _ = begins.send(());
        let _ = words.recv();
        file.synchronise()
    });
    on_stage_with(Recording::Strict, synchronise, |stage| async move {
        let asked = stage.ask("GET /c/react/ok", "");
        let watched = async {
            for records in [vec![Kind::Opened], vec![Kind::Opened, Kind::Verdict]] {
                while begun.try_recv().is_err() || stage.kinds() != records {
                    tokio::task::yield_now().await;
                }
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(stage.seen.0.get(), 0, "the backend has heard nothing");
                word.send(()).unwrap();
            }
            drop(word);
        };
        let (answer, ()) = tokio::join!(asked, watched);
        assert!(answer.ends_with("hello"), "{answer}");
        assert_eq!(stage.seen.1.get(), 1);
    });
}

#[test]
fn dp_04_a_strict_connection_refuses_on_a_disk_that_hangs_and_serves_again_by_itself() {
    let (word, words) = std::sync::mpsc::channel::<()>();
    let synchronise: Synchronise = Box::new(move |file| {
        let _ = words.recv();
        file.synchronise()
    });
    on_stage_with(Recording::Strict, synchronise, |stage| async move {
        let refused = stage.ask("GET /c/react/ok", "").await;
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("recorder_unavailable"), "{refused}");
        let refused = stage.ask("GET /c/react/ok", "").await;
        assert!(refused.contains("recorder_unavailable"), "{refused}");
        assert_eq!(stage.seen.0.get(), 0);
        assert_eq!(stage.kinds(), [Kind::Opened, Kind::Closed], "a session that nobody could use is over");
        drop(word);
        while !stage.ask("GET /c/react/ok", "").await.ends_with("hello") {}
    });
}

#[test]
fn requests_of_one_session_that_come_while_it_is_opened_strictly_share_it() {
    on_stage_with(Recording::Strict, Box::new(PieceFile::synchronise), |stage| async move {
        let request = stage.request("GET /c/react/ok", "Connection: close\r\n");
        let ask = || async {
            let mut stream = stage.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("hello"), "{answer}");
        };
        futures_util::future::join_all((0..8).map(|_| ask())).await;
        stage.settled().await;
        let opened = stage.kinds().into_iter().filter(|kind| *kind == Kind::Opened).count();
        assert_eq!((opened, stage.seen.1.get()), (1, 8));
    });
}

#[test]
fn a_strict_command_whose_record_the_disk_does_not_take_is_recorded_as_not_sent() {
    let (word, words) = std::sync::mpsc::channel();
    let synchronise: Synchronise = Box::new(move |file| {
        let _ = words.recv();
        file.synchronise()
    });
    on_stage_with(Recording::Strict, synchronise, |stage| async move {
        word.send(()).unwrap();
        let refused = stage.ask("GET /c/react/ok", "").await;
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("recorder_unavailable"), "{refused}");
        assert_eq!(stage.seen.0.get(), 0);
        let [opened, verdict, response] = <[_; 3]>::try_from(stage.records()).unwrap();
        assert_eq!([opened, verdict].map(|entry| entry.kind()), [Kind::Opened, Kind::Verdict]);
        let Entry::Response(response) = response else { panic!("{response:?}") };
        assert_eq!((response.status, response.bytes_in, response.bytes_out), (503, 0, 0));
    });
}
