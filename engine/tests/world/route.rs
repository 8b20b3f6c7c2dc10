//! Where what a child says belongs, by the design's "Where a child's message goes": told line by
//! line, when the engine is told.

use super::World;
use super::model::{Ask, Line, Route, SaidKind, Version};
use super::stream::EXTRA;

impl World<'_> {
    /// A child's line is whole: what it says is said now.
    pub(super) fn hear(&mut self, child: usize, line: &Line) {
        self.heard += 1;
        if self.modern.desks[child].shared {
            return self.modern_hear(child, line);
        }
        let Some(session) = self.children[child].session else { return };
        if let Some(call) = line.garbles {
            self.calls[call].garbled = true;
        }
        let too_long = line.length() > self.config.message;
        if too_long {
            self.sessions[session].doomed = true;
            return;
        }
        self.upward_hear(child, session, line);
        let known = &self.sessions[session];
        let array =
            line.bytes.first() == Some(&b'[') && !known.version.is_some_and(Version::batches);
        for said in &line.said {
            let known = &self.sessions[session];
            let loose = array || known.blurred || !self.is_first();
            let ended = known.over || known.doomed;
            let route =
                if ended { self.after_the_end(*said) } else { self.route_of(session, *said) };
            self.said[*said].route = match route {
                Route::Exchange(_) | Route::Queue if loose => Route::Any,
                route => route,
            };
            if self.said[*said].route == Route::Queue {
                self.sessions[session].queued.push(*said);
            }
            self.heard += 1;
            self.said[*said].heard = Some(self.heard);
            self.said[*said].at = Some(self.clock());
            self.sessions[session].event_bytes += self.said[*said].expected.len() + EXTRA;
            self.fresh.push(*said);
        }
    }

    /// The engine may have closed the session before it heard this, or not.
    fn after_the_end(&mut self, said: usize) -> Route {
        match self.said[said].kind {
            SaidKind::Answer(call) if self.calls[call].in_flight() => {
                self.calls[call].answer = Some(said);
                Route::Call(call)
            }
            SaidKind::Answer(_) | SaidKind::Lie => Route::Never,
            SaidKind::Progress(call) => Route::Call(call),
            SaidKind::Ask | SaidKind::Free { .. } | SaidKind::Question(_) | SaidKind::Update(_) => {
                Route::Any
            }
        }
    }

    fn route_of(&mut self, session: usize, said: usize) -> Route {
        if let Some(route) = self.upward_route(session, said) {
            return route;
        }
        match self.said[said].kind {
            SaidKind::Lie | SaidKind::Question(_) | SaidKind::Update(_) => Route::Never,
            SaidKind::Answer(call) => {
                if !self.calls[call].in_flight() {
                    return Route::Never;
                }
                self.calls[call].answer = Some(said);
                Route::Call(call)
            }
            SaidKind::Progress(call) if self.calls[call].in_flight() => Route::Call(call),
            SaidKind::Progress(_) => Route::Never,
            SaidKind::Ask => self.free_route(session, false),
            SaidKind::Free { prefers_get } => self.free_route(session, prefers_get),
        }
    }

    /// Where a message goes that names no call (design, "Where a child's message goes").
    pub(super) fn free_route(&self, session: usize, prefers_get: bool) -> Route {
        let known = &self.sessions[session];
        if !known.open || self.is_unclear(session) {
            return Route::Any;
        }
        let mut running: Vec<usize> = (0..self.calls.len())
            .filter(|call| self.calls[*call].session == session && self.calls[*call].in_flight())
            .collect();
        // A call that went on is a later one.
        running.sort_by_key(|call| self.calls[*call].number());
        let left = |call: usize| !self.exchanges[self.calls[call].exchange].is_live();
        let unclear = |call: &usize| left(*call) || self.calls[*call].garbled;
        if running.iter().any(unclear) || self.goes_on(session) {
            // Its stream may be resumed, or waits to be.
            return Route::Any;
        }
        let late = |call: &usize| self.is_late(*call);
        let still: Vec<usize> = running.iter().copied().filter(|call| !late(call)).collect();
        let route = self.route_beside(&running, session, prefers_get);
        match self.route_beside(&still, session, prefers_get) == route {
            true => route,
            // Time is up for a call, which the engine ends before it reads what the child says.
            false => Route::Any,
        }
    }

    /// The same, while these calls run.
    fn route_beside(&self, running: &[usize], session: usize, prefers_get: bool) -> Route {
        let takes = |call: usize| {
            let exchange = &self.exchanges[self.calls[call].exchange];
            exchange.is_live() && exchange.sse
        };
        let get = self.sessions[session].gets.last().copied().map(Route::Exchange);
        let of = |call: &usize| Route::Exchange(self.calls[*call].exchange);
        match (running, get) {
            (_, Some(get)) if prefers_get => get,
            ([only], _) if takes(*only) => of(only),
            (_, Some(get)) => get,
            // The latest that can carry it.
            (_, None) => running.iter().rfind(|call| takes(**call)).map_or(Route::Queue, of),
        }
    }

    /// Somebody in this session is behind, or has asked for odd things, so that the engine may
    /// hold back what it was told.
    fn is_unclear(&self, session: usize) -> bool {
        self.sessions[session].blurred
            || self.open.iter().any(|number| {
                let exchange = &self.exchanges[*number];
                let odd = matches!(exchange.ask, Ask::ResumeOdd | Ask::Resume { .. });
                exchange.session == Some(session)
                    && (exchange.lingers() || odd && exchange.is_live())
            })
    }
}
