//! What may land, and who is answered.

use std::time::Duration;

use forewarm_domain::ChainId;

use super::*;

fn key() -> Key {
    Key::new("k", 0, ChainId::DEFAULT)
}

fn fly(flights: &Flights) -> Ticket<'_> {
    match flights.board(&key(), Company::Anybody) {
        Boarding::Fly(ticket) => ticket,
        Boarding::Join(_) => panic!("the key is on its way"),
    }
}

#[tokio::test]
async fn a_second_read_joins_and_gets_the_same_answer() {
    let flights = Flights::default();
    let ticket = fly(&flights);
    let Boarding::Join(flight) = flights.board(&key(), Company::Anybody) else {
        panic!("should join")
    };
    assert!(flights.board_warm(&key()).is_none());
    let mut awaited = None;
    let landing = ticket.land(|| Arrival::Value(None), |waiting| awaited = Some(waiting));
    assert!(landing.valid && landing.awaited);
    assert_eq!(awaited, Some(true));
    assert!(matches!(flight.arrival().await, Arrival::Value(None)));
    assert!(flights.is_empty());
}

#[tokio::test]
async fn a_discarded_flight_answers_who_waited_and_places_nothing() {
    let flights = Flights::default();
    let ticket = fly(&flights);
    let Boarding::Join(early) = flights.board(&key(), Company::Anybody) else {
        panic!("should join")
    };
    flights.discard(&key());
    let later = fly(&flights);
    let landing = ticket.land(
        || Arrival::Value(None),
        |_| panic!("placed an outdated value"),
    );
    assert!(!landing.valid && landing.awaited);
    assert!(matches!(early.arrival().await, Arrival::Value(None)));
    assert!(
        later.land(|| Arrival::Value(None), |_| {}).valid,
        "the newer flight is untouched"
    );
}

type Way = (&'static str, fn(&Flights));

#[tokio::test]
async fn whoever_joined_is_answered_however_the_flight_left_the_table() {
    let ways: [Way; 6] = [
        ("a change", |flights| flights.discard(&key())),
        ("a change of its chain", |flights| {
            flights.discard_chain(ChainId::DEFAULT);
        }),
        ("a change of everything", Flights::discard_all),
        ("a link lost", Flights::ground),
        ("a write", |flights| {
            flights.begin_write(&key()).land(|_| {})
        }),
        ("a read that takes the key from the warm", |flights| {
            drop(flights.board(&key(), Company::Demand));
        }),
    ];
    for (way, leave) in ways {
        for lands in [true, false] {
            let flights = Flights::default();
            let ticket = flights.board_warm(&key()).expect("nobody flies");
            let Boarding::Join(flight) = flights.board(&key(), Company::Anybody) else {
                panic!("should join")
            };
            leave(&flights);
            if lands {
                assert!(
                    ticket
                        .land(|| Arrival::Value(None), |_| panic!("placed"))
                        .awaited
                );
            } else {
                drop(ticket);
            }
            let answer = tokio::time::timeout(Duration::from_secs(5), flight.arrival()).await;
            let Ok(answer) = answer else {
                panic!("{way}: whoever joined waits for ever")
            };
            assert_eq!(matches!(answer, Arrival::Value(None)), lands, "{way}");
            assert!(flights.table.lock().left.is_empty(), "{way}: kept for ever");
        }
    }
}

#[tokio::test]
async fn a_flight_whose_task_was_cancelled_strands_nobody() {
    let flights = Flights::default();
    let ticket = fly(&flights);
    let Boarding::Join(flight) = flights.board(&key(), Company::Anybody) else {
        panic!("should join")
    };
    drop(ticket);
    assert!(matches!(flight.arrival().await, Arrival::Abandoned));
    fly(&flights).land(|| Arrival::Value(None), |_| {});
}

#[test]
fn a_landing_flight_is_on_its_way_until_its_value_is_placed() {
    let flights = Flights::default();
    fly(&flights).land(
        || Arrival::Value(None),
        |_| {
            assert!(
                !flights.is_empty(),
                "an update that saw zero here would not wait for the placement that it must undo"
            );
        },
    );
    assert!(flights.is_empty());
}

#[test]
fn a_read_that_a_warm_has_failed_once_takes_the_key_from_the_next_warm() {
    let flights = Flights::default();
    let warm = flights.board_warm(&key()).expect("nobody flies");
    let Boarding::Fly(demand) = flights.board(&key(), Company::Demand) else {
        panic!("waits for a warm again")
    };
    assert!(!warm.land(|| Arrival::Value(None), |_| {}).valid);
    let Boarding::Join(_) = flights.board(&key(), Company::Demand) else {
        panic!("demand flights are joined")
    };
    assert!(demand.land(|| Arrival::Value(None), |_| {}).valid);
}

/// Whether each of the writes, ended in the order of the ids, was alone.
fn alone(ends: &mut Vec<WriteTicket<'_>>) -> Vec<bool> {
    let mut said = Vec::new();
    for write in ends.drain(..) {
        write.land(|alone| said.push(alone));
    }
    said
}

#[test]
fn a_write_is_alone_unless_another_or_an_invalidation_came_between() {
    let flights = Flights::default();
    assert_eq!(alone(&mut vec![flights.begin_write(&key())]), [true]);
    let (first, second) = (flights.begin_write(&key()), flights.begin_write(&key()));
    assert_eq!(alone(&mut vec![first]), [false]);
    let third = flights.begin_write(&key());
    assert_eq!(alone(&mut vec![second, third]), [false, false]);
    let write = flights.begin_write(&key());
    flights.discard(&key());
    assert_eq!(alone(&mut vec![write]), [false]);
    let write = flights.begin_write(&key());
    flights.discard_all();
    assert_eq!(alone(&mut vec![write]), [false]);
    assert_eq!(alone(&mut vec![flights.begin_write(&key())]), [true]);
    assert!(flights.is_empty());
}

#[test]
fn a_read_under_way_when_a_write_ends_is_discarded() {
    let flights = Flights::default();
    let (write, read) = (flights.begin_write(&key()), fly(&flights));
    write.land(|_| {});
    assert!(!read.land(|| Arrival::Value(None), |_| {}).valid);
}

#[test]
fn grounded_flights_answer_and_place_nothing_and_warms_do_not_set_out() {
    let flights = Flights::default();
    let before = fly(&flights);
    flights.ground();
    assert!(
        !before
            .land(|| Arrival::Value(None), |_| panic!("placed"))
            .valid
    );
    assert!(flights.board_warm(&key()).is_none());
    let during = fly(&flights);
    let Boarding::Join(_) = flights.board(&key(), Company::Anybody) else {
        panic!("reads still go together")
    };
    let landing = during.land(|| Arrival::Value(None), |_| panic!("placed"));
    assert!(!landing.valid && landing.awaited);
    assert_eq!(alone(&mut vec![flights.begin_write(&key())]), [false]);
}

#[test]
fn what_set_out_while_grounded_is_not_placed_after_the_lift() {
    let flights = Flights::default();
    flights.ground();
    let (read, write) = (fly(&flights), flights.begin_write(&key()));
    flights.lift();
    assert!(
        !read
            .land(|| Arrival::Value(None), |_| panic!("placed"))
            .valid
    );
    assert_eq!(alone(&mut vec![write]), [false]);
    assert!(fly(&flights).land(|| Arrival::Value(None), |_| {}).valid);
    assert_eq!(alone(&mut vec![flights.begin_write(&key())]), [true]);
}

#[test]
fn the_database_of_a_flight_is_known_as_soon_as_it_sets_out() {
    let flights = Flights::default();
    let known = |flights: &Flights| flights.databases().iter().collect::<Vec<_>>();
    assert_eq!(known(&flights), [0_u16; 0]);
    let _read = flights.board(&Key::new("k", 200, ChainId::DEFAULT), Company::Anybody);
    let _warm = flights.board_warm(&Key::new("k", 3, ChainId::DEFAULT));
    flights
        .begin_write(&Key::new("k", 0, ChainId::DEFAULT))
        .land(|_| {});
    assert_eq!(known(&flights), [0, 3, 200]);
}
