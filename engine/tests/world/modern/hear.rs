//! Laws of subscriptions: acknowledged first, then what was asked for and nothing else, under the
//! client's own id; a session-era child is asked once for each resource, while somebody wants it.

use std::collections::BTreeSet;

use mcp_bridge::Instant;

use super::super::World;
use super::super::events::Block;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::model::Phase;
use super::super::text::nonce;
use super::carry::without;
use super::client::CAPABILITIES;
use super::listen::{Kept, LISTS, Listening, News, UPDATED};

const ID: &str = "io.modelcontextprotocol/subscriptionId";

impl World<'_> {
    // ---- towards children

    /// A subscription as a child of its own era gets it.
    pub(super) fn read_listening(&mut self, child: usize, number: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let known = self.modern.listenings.get(number);
        require!(StdinLines, known.is_some(), "{process}: nobody said {shown}");
        let Some(known) = known else { return Ok(()) };
        require!(StdinLines, known.given.is_none(), "{process}: a second time: {shown}");
        let left = self.exchanges[known.exchange].lost_settled;
        require!(NothingAfterLoss, !left && !known.over, "{process}: its client is gone: {shown}");
        let own_era = !self.modern.desks[child].session_era;
        require!(Translation, own_era, "{process} is of the other era: {shown}");
        let id = known.text.read(line).and_then(|holes| holes.id);
        require!(StdinLines, id.is_some(), "{process}: changed: {shown}");
        self.new_id(child, id.clone().unwrap_or_default())?;
        let known = &mut self.modern.listenings[number];
        known.child = Some(child);
        known.sent = self.seen;
        known.given = id;
        Ok(())
    }

    /// A cancellation of a subscription; false if it is none.
    pub(super) fn read_unlisten(
        &mut self,
        child: usize,
        target: Option<&Vec<u8>>,
    ) -> Result<bool, Broken> {
        let limit = self.config.request;
        let asked = target.and_then(|target| self.modern.desks[child].subscribed.get(target));
        if let Some((uri, since)) = asked {
            let late = limit.is_some_and(|limit| since.after(limit) <= self.seen);
            require!(Cancel, late, "{uri} is given up, but it is not late");
            return Ok(true);
        }
        let mut all = self.modern.listenings.iter();
        let found = all.position(|of| of.child == Some(child) && of.given.as_ref() == target);
        let Some(number) = found.filter(|_| target.is_some()) else { return Ok(false) };
        let late = self.is_unheard(number);
        let known = &mut self.modern.listenings[number];
        require!(Cancel, !known.cancelled, "{target:?} is cancelled a second time");
        known.cancelled = true;
        let left = self.exchanges[known.exchange].lost || known.aborted;
        require!(Cancel, left || late, "{target:?} is cancelled, but its client listens");
        self.counts.cancels += 1;
        Ok(true)
    }

    /// A session-era child is asked to tell of a resource, or not to any more.
    pub(super) fn read_subscription(&mut self, child: usize, line: &[u8], adds: bool) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        self.new_id(child, id.clone())?;
        let params = json::member(line, "params").unwrap_or_default();
        let uri = json::member(params, "uri").and_then(json::unquote).unwrap_or_default();
        let kept = self.modern.desks[child].kept.get(&uri).copied();
        let has = matches!(kept, Some(Kept::Asked(_) | Kept::Held));
        let unsure = !self.is_only();
        require!(Listening, has != adds || unsure, "{process} keeps it as {kept:?}: {shown}");
        let class = self.modern.desks[child].class;
        let wants = |of: &Listening| {
            let here = of.child.is_none_or(|own| own == child);
            here && Some(of.class) == class && of.uris.contains(uri.as_str())
        };
        let numbers = 0..self.modern.listenings.len();
        let mut open = numbers.filter(|number| self.listens(*number));
        let wanted = open.any(|number| wants(&self.modern.listenings[number]));
        require!(Listening, wanted || !adds || unsure, "{process}: nobody wants {shown}");
        let desk = &mut self.modern.desks[child];
        if adds {
            let number = core::str::from_utf8(&id).ok().and_then(|id| id.parse().ok());
            desk.subscribed.insert(id.clone(), (uri.clone(), self.seen));
            desk.kept.insert(uri.clone(), Kept::Asked(number.unwrap_or_default()));
        } else {
            desk.kept.remove(&uri);
        }
        let id = String::from_utf8_lossy(&id).into_owned();
        desk.asked.insert(0, (id, Some(uri).filter(|_| adds)));
        Ok(())
    }

    /// A session-era child is asked for nothing that nobody wants any more.
    pub(super) fn judge_given_up(&self) -> Judged {
        if !self.is_only() {
            return Ok(());
        }
        for (number, child) in self.children.iter().enumerate() {
            if child.gone || child.is_leaving() {
                continue;
            }
            let desk = &self.modern.desks[number];
            let kept = desk.kept.iter().filter(|(_, kept)| !matches!(kept, Kept::Refused));
            for (uri, _) in kept {
                let wanted = (0..self.modern.listenings.len()).any(|listening| {
                    let of = &self.modern.listenings[listening];
                    let open = self.listens(listening) || !of.settled;
                    open && Some(of.class) == desk.class && of.uris.contains(uri.as_str())
                });
                require!(Listening, wanted, "{}: nobody wants {uri} any more", child.id);
            }
        }
        Ok(())
    }

    // ---- towards clients

    /// A whole response: a refusal, or an end before anything was told.
    pub(in super::super) fn listen_whole(
        &mut self,
        number: usize,
        listening: usize,
        status: u16,
        body: &[u8],
    ) -> Judged {
        let shown = String::from_utf8_lossy(body).into_owned();
        if let Some(result) = json::member(body, "result") {
            // It ended before it began.
            let json = self.exchanges[number].json && status == 200;
            require!(Accept, json, "{number}: JSON, which its client does not accept: {shown}");
            return self.listen_ends(number, listening, body, result);
        }
        self.listen_fails(number, listening, body, Some(status))
    }

    fn listen_fails(
        &mut self,
        number: usize,
        listening: usize,
        body: &[u8],
        status: Option<u16>,
    ) -> Judged {
        let shown = String::from_utf8_lossy(body).into_owned();
        let id = self.judge_error(body)?;
        let known = &self.modern.listenings[listening];
        let early = self.shutdowns > 0 && id.as_deref() == Some(b"null");
        require!(Names, id == known.holes.id || early, "{number}: another id: {shown}");
        let code = json::member(body, "error").and_then(|error| json::member(error, "code"));
        if self.is_refused(number, code.unwrap_or_default(), status)? {
            self.modern.listenings[listening].over = true;
            self.counts.modern.refused += 1;
            return Ok(());
        }
        let known = &self.modern.listenings[listening];
        let full = self.is_full_of(known);
        let start = known.crowded
            || self.modern.failed_at.is_some_and(|at| at >= known.asked)
            || self.seen < self.breaker
            || self.is_start_failing()
            || known.asked.after(self.config.start) <= self.seen;
        let late = self.is_unheard(listening);
        let cause = late || start || full || self.shutdowns > 0 || self.is_deserted(listening);
        require!(Cause, cause, "{number}: {status:?} without a reason: {shown}");
        let told = late || status.is_none_or(|status| status >= 400);
        require!(Status, told, "{number}: {status:?}: {shown}");
        self.modern.listenings[listening].over = true;
        self.counts.modern.errors += 1;
        Ok(())
    }

    /// Its child did not acknowledge it in time.
    fn is_unheard(&self, listening: usize) -> bool {
        let known = &self.modern.listenings[listening];
        let Some(limit) = self.config.request.filter(|_| known.honoured.is_none()) else {
            return false;
        };
        let mut asked = self.modern.desks.iter().flat_map(|desk| desk.subscribed.values());
        let late = |since: Instant| since.after(limit) <= self.seen;
        late(known.sent) || asked.any(|(uri, since)| known.uris.contains(&**uri) && late(*since))
    }

    /// With its resources, more could be subscribed to than may be.
    fn is_full_of(&self, known: &Listening) -> bool {
        let of = |number: &usize| {
            let other = &self.modern.listenings[*number];
            other.class == known.class && (self.listens(*number) || !other.settled)
        };
        let open = (0..self.modern.listenings.len()).filter(of);
        let uris: BTreeSet<_> =
            open.flat_map(|number| self.modern.listenings[number].uris.clone()).collect();
        let uris: BTreeSet<_> = uris.union(&known.uris).collect();
        uris.len() > self.config.subscriptions
    }

    /// Its child is gone or will be; any may be its child that the judge does not know.
    pub(in super::super) fn is_deserted(&self, listening: usize) -> bool {
        let known = &self.modern.listenings[listening];
        match known.child {
            Some(child) => self.is_over(child),
            None => (0..self.children.len()).any(|child| {
                let desk = &self.modern.desks[child];
                desk.shared && self.is_over(child)
            }),
        }
    }

    /// An event of a subscription.
    pub(in super::super) fn listen_event(
        &mut self,
        number: usize,
        listening: usize,
        block: &Block,
    ) -> Judged {
        let bare = block.id.is_none() && block.retry.is_none();
        require!(Events, bare, "{number}: an event to be resumed from: {block:?}");
        let data = block.data.clone().unwrap_or_default();
        let shown = String::from_utf8_lossy(&data).into_owned();
        let known = &self.modern.listenings[listening];
        require!(EndsOnce, !known.over, "{number}: more after the end: {shown}");
        if json::member(&data, "error").is_some() && json::member(&data, "method").is_none() {
            return self.listen_fails(number, listening, &data, None);
        }
        let id = known.holes.id.clone();
        let outcome = json::member(&data, "result");
        let told = outcome.or_else(|| json::member(&data, "params")).unwrap_or_default();
        let meta = json::member(told, "_meta").unwrap_or_default();
        let tagged = json::member(meta, ID).map(<[u8]>::to_vec);
        require!(Names, tagged == id, "{number}: another subscription's: {shown}");
        if outcome.is_some() {
            return self.listen_ends(number, listening, &data, told);
        }
        let first = self.modern.listenings[listening].honoured.is_none();
        let method = json::member(&data, "method").and_then(json::unquote).unwrap_or_default();
        let acknowledges = method == "notifications/subscriptions/acknowledged";
        require!(Listening, acknowledges == first, "{number}: not acknowledged first: {shown}");
        match nonce(&data, b'n').filter(|news| *news < self.modern.news.len()) {
            Some(news) => self.told_news(number, listening, news, &data),
            None => {
                require!(Listening, acknowledges, "{number}: nobody said {shown}");
                self.made_acknowledgement(number, listening, told, &shown)
            }
        }
    }

    /// The result of a subscription, under the client's id.
    fn listen_ends(
        &mut self,
        number: usize,
        listening: usize,
        data: &[u8],
        result: &[u8],
    ) -> Judged {
        let shown = String::from_utf8_lossy(data).into_owned();
        let known = &self.modern.listenings[listening];
        let id = known.holes.id.clone();
        let own = json::member(data, "id").map(<[u8]>::to_vec);
        require!(Names, own == id, "{number}: another id: {shown}");
        let meta = json::member(result, "_meta").unwrap_or_default();
        let tagged = json::member(meta, ID).map(<[u8]>::to_vec);
        require!(Names, tagged == id, "{number}: another subscription's: {shown}");
        // Before a session-era child that may ask, others may have left what makes it theirs.
        let (_, _, can) = CAPABILITIES[known.capabilities];
        let spent = known.given.is_none() && !can.is_empty();
        let cause = known.ended || self.shutdowns > 0 || spent || self.is_deserted(listening);
        require!(Cause, cause, "{number} ends for no reason: {shown}");
        self.modern.listenings[listening].over = true;
        self.counts.modern.ends += 1;
        Ok(())
    }

    /// What a child tells reaches who asked for it, once and in turn.
    fn told_news(&mut self, number: usize, listening: usize, news: usize, data: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(data).into_owned();
        let (said, known) = (&self.modern.news[news], &self.modern.listenings[listening]);
        let own = match said.to {
            Some(to) => to == listening,
            None => self.wants(known, said),
        };
        require!(Listening, own, "{number} did not ask for {shown}");
        require!(Prompt, said.heard.is_some(), "{number}: nobody said yet {shown}");
        require!(Once, !said.seen.contains(&listening), "{number}: again: {shown}");
        let heard = said.heard.unwrap_or_default();
        require!(Order, heard > known.last_heard, "{number}: too late on its stream: {shown}");
        let method = json::member(data, "method").and_then(json::unquote);
        let params = json::member(data, "params").unwrap_or_default();
        let inner = format!("{{{}}}", said.params);
        let same = without(params, |name| name == "_meta") == without(inner.as_bytes(), |_| false);
        let same = same && method.as_deref() == Some(said.method);
        require!(BytesUnchanged, same, "{number}: {shown}, not {inner}");
        let acknowledges = said.acknowledges.clone();
        self.modern.news[news].seen.insert(listening);
        let known = &mut self.modern.listenings[listening];
        known.last_heard = heard;
        if acknowledges.is_some() {
            known.honoured = acknowledges;
            self.counts.modern.listens += 1;
        } else {
            self.counts.modern.news += 1;
        }
        Ok(())
    }

    /// A client of a session-era child that would hear of this.
    fn wants(&self, known: &Listening, said: &News) -> bool {
        let same = Some(known.class) == self.modern.desks[said.child].class;
        let here = known.child.is_none_or(|child| child == said.child);
        let Some((lists, uris)) = known.honoured.as_ref().filter(|_| same && here) else {
            return false;
        };
        if said.method == UPDATED {
            return said.uri.is_some_and(|uri| uris.contains(uri));
        }
        let mut named = LISTS.iter().zip(lists);
        named.any(|((.., method), wanted)| *wanted && *method == said.method)
    }

    /// The first message before a session-era child: what it offers of what was asked for.
    fn made_acknowledgement(
        &mut self,
        number: usize,
        listening: usize,
        params: &[u8],
        shown: &str,
    ) -> Judged {
        let known = &self.modern.listenings[listening];
        require!(Listening, known.given.is_none(), "{number}: its child did not say {shown}");
        let filter = json::member(params, "notifications").unwrap_or_default();
        let named = json::member(filter, "resourceSubscriptions").unwrap_or(b"[]");
        let named = json::elements(named).unwrap_or_default();
        let named: BTreeSet<String> = named.into_iter().filter_map(json::unquote).collect();
        let told = without(filter, |name| name == "resourceSubscriptions");
        let lists = LISTS.map(|(name, ..)| told.iter().any(|(told, _)| told == name));
        let asked = known.uris.iter().map(|uri| String::from(*uri)).collect::<BTreeSet<_>>();
        let more = lists.iter().zip(known.lists).any(|(told, asked)| *told && !asked);
        require!(Listening, !more && named.is_subset(&asked), "{number}: not asked for: {shown}");
        // Which of several children of one kind it is can't be seen.
        let same = |child: &usize| {
            let desk = &self.modern.desks[*child];
            desk.shared && desk.session_era && desk.ready && desk.class == Some(known.class)
        };
        let mut children = (0..self.children.len()).filter(same);
        let child = children.next().filter(|_| children.next().is_none());
        if let Some(desk) = child.map(|child| &self.modern.desks[child]) {
            let right = (0..3).all(|list| lists[list] == (known.lists[list] && desk.lists[list]));
            require!(Listening, right, "{number}: {:?} are offered: {shown}", desk.lists);
            for uri in &asked {
                let kept = desk.kept.get(uri).copied();
                let told = named.contains(uri);
                let right = match kept {
                    Some(Kept::Held) => told || known.refused.contains(uri),
                    Some(Kept::Refused) => !told,
                    // Somebody may have asked again for what was refused.
                    Some(Kept::Asked(_)) => !told,
                    // So may somebody who has left since.
                    None => !told && known.refused.contains(uri),
                };
                let unsure = !self.is_only();
                require!(Listening, right || unsure, "{number}: {uri} is {kept:?}: {shown}");
            }
        }
        let known = &mut self.modern.listenings[listening];
        known.child = child;
        known.honoured = Some((lists, named));
        self.counts.modern.listens += 1;
        Ok(())
    }

    // ---- after each step

    /// Who listens heard what it could, and nobody listens to a child that is gone.
    pub(super) fn judge_listenings(&self) -> Judged {
        for news in &self.modern.fresh_news {
            let said = &self.modern.news[*news];
            if said.unsure || !self.is_only() || self.is_over(said.child) {
                continue;
            }
            let meant = (0..self.modern.listenings.len()).filter(|number| match said.to {
                Some(to) => to == *number && !self.modern.listenings[to].ended,
                None => {
                    let known = &self.modern.listenings[*number];
                    known.settled && known.child.is_some() && self.wants(known, said)
                }
            });
            for listening in meant.filter(|number| self.listens(*number)) {
                let exchange = self.modern.listenings[listening].exchange;
                let told = said.seen.contains(&listening) || self.exchanges[exchange].untaken > 0;
                require!(Prompt, told, "{exchange} is not told {}", said.params);
            }
        }
        for number in &self.open {
            let Some(listening) = self.listening_of(*number) else { continue };
            let known = &self.modern.listenings[listening];
            let exchange = &self.exchanges[*number];
            let here = known.given.is_some() && known.child.is_some_and(|c| !self.is_over(c));
            let told = !exchange.lost || known.cancelled || known.ended || known.over;
            require!(Cancel, told || !here, "{number} left, and its child does not know");
            let done = exchange.phase == Phase::Done;
            require!(EveryRequestEnds, done || !known.over, "{number} has its end, but goes on");
            let gone = known.child.is_some_and(|child| {
                self.children[child].gone || self.children[child].is_leaving()
            });
            // What its client has not read goes before the end.
            let open = self.listens(listening) && exchange.untaken == 0;
            require!(EveryRequestEnds, !(gone && open), "{number} listens to nobody");
        }
        Ok(())
    }

    /// From here on, what happened has happened.
    pub(super) fn note_listenings(&mut self) {
        self.modern.fresh_news.clear();
        for known in &mut self.modern.listenings {
            known.settled |= known.honoured.is_some();
        }
    }
}
