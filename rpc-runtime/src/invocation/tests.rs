//! Calls that came over a boundary.

use super::*;

#[test]
fn the_limits_of_a_call_from_elsewhere_are_those_of_the_worker_that_it_calls() {
    let limits = Limits::new().invocations(5).subrequests(3).connections(1);
    let left = Left { depth: 31, invocations: 999, subrequests: 1000 };
    let state = State::arrival(left, Deadline::NONE, &limits);
    let exceeded = (0..).find_map(|_| state.spend(1).err()).expect("there is a limit");
    assert_eq!(exceeded.value, 5);
    let shared = Frame::alone(&state).promote();
    assert_eq!(*shared.limits(), limits);
}
