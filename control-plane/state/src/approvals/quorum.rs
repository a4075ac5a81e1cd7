//! Whether votes fulfil requirements. A person counts once: who is in two teams releases for one of them.

use hoop_model::{Choice, Required, Uid};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Returns whether the votes for fulfil every requirement, counting each person for one requirement only.
///
/// This is a matching of people to seats, found by augmenting paths, so the order of votes does not matter.
pub(super) fn is_fulfilled(requirements: &[Required], counts: impl Fn(Uid, &Required) -> bool) -> bool {
    let mut seats = Vec::new();
    for required in requirements {
        let votes = required.votes.iter().filter(|vote| vote.choice == Choice::Approve).map(|vote| vote.person);
        let voters: Rc<[Uid]> = votes.filter(|person| counts(*person, required)).collect();
        let quorum = usize::try_from(required.requirement.quorum).unwrap_or(usize::MAX);
        // Fewer voters than seats: those need not be laid out.
        if quorum > voters.len() {
            return false;
        }
        seats.extend(std::iter::repeat_n(Seat { voters, taken_by: None }, quorum));
    }
    let mut seating = Seating { seats, seated: BTreeMap::new() };
    (0..seating.seats.len()).all(|seat| seating.fill(seat))
}

/// One vote that is needed.
#[derive(Clone)]
struct Seat {
    voters: Rc<[Uid]>,
    taken_by: Option<Uid>,
}

struct Seating {
    seats: Vec<Seat>,
    seated: BTreeMap<Uid, usize>,
}

impl Seating {
    /// Finds somebody for a seat. Who sits elsewhere already moves over if another can take that seat.
    fn fill(&mut self, seat: usize) -> bool {
        // Who could move, and to which seat.
        let mut moves: BTreeMap<Uid, usize> = BTreeMap::new();
        let mut open = VecDeque::from([seat]);
        while let Some(seat) = open.pop_front() {
            let voters = self.seats.get(seat).map(|seat| Rc::clone(&seat.voters));
            for &person in voters.iter().flat_map(|voters| voters.iter()) {
                let Entry::Vacant(place) = moves.entry(person) else { continue };
                place.insert(seat);
                match self.seated.get(&person) {
                    Some(other) => open.push_back(*other),
                    None => {
                        self.shift(person, &moves);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Seats a person as the moves say, then whoever sat there, and so on up to the empty seat.
    fn shift(&mut self, person: Uid, moves: &BTreeMap<Uid, usize>) {
        let mut moving = Some(person);
        while let Some(person) = moving.take()
            && let Some(to) = moves.get(&person)
            && let Some(seat) = self.seats.get_mut(*to)
        {
            moving = seat.taken_by.replace(person);
            self.seated.insert(person, *to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::{ContentHash, PolicyRef, Requirement, ResourceName, UnixMillis, Vote};
    use std::time::Duration;

    fn required(team: &str, quorum: u32, voters: &[u128]) -> Required {
        let policy = PolicyRef { statement: team.into(), uid: Uid::mint(1), hash: ContentHash([0; 32]), message: None };
        let vote = |person: &u128| Vote { person: Uid::mint(*person), choice: Choice::Approve, at: UnixMillis(1) };
        Required {
            requirement: Requirement {
                policy,
                team: ResourceName::parse(team).unwrap(),
                quorum,
                expires: Duration::from_secs(60),
            },
            votes: voters.iter().map(vote).collect(),
        }
    }

    fn fulfilled(requirements: &[Required]) -> bool {
        is_fulfilled(requirements, |_, _| true)
    }

    #[test]
    fn a_quorum_is_of_different_people() {
        assert!(fulfilled(&[required("a", 1, &[1])]));
        assert!(!fulfilled(&[required("a", 2, &[1])]));
        assert!(fulfilled(&[required("a", 2, &[1, 2])]));
        assert!(!fulfilled(&[required("a", u32::MAX, &[1, 2])]));
    }

    #[test]
    fn ap_10_one_person_in_two_teams_counts_for_one() {
        assert!(!fulfilled(&[required("a", 1, &[1]), required("b", 1, &[1])]));
        assert!(fulfilled(&[required("a", 1, &[1]), required("b", 1, &[1, 2])]));
        // Whoever is in both gives way, whatever the order.
        assert!(fulfilled(&[required("a", 1, &[1, 2]), required("b", 1, &[1])]));
        assert!(fulfilled(&[required("a", 2, &[1, 2, 3]), required("b", 1, &[2]), required("c", 1, &[3, 4])]));
        assert!(!fulfilled(&[required("a", 2, &[1, 2, 3]), required("b", 1, &[2]), required("c", 1, &[3])]));
    }

    #[test]
    fn who_does_not_count_and_who_is_against_fills_no_seat() {
        let mut against = required("a", 1, &[1]);
        against.votes[0].choice = Choice::Deny;
        assert!(!fulfilled(&[against]));
        assert!(!is_fulfilled(&[required("a", 1, &[1])], |_, _| false));
    }
}
