//! Fields that identify a client (`Config::header_env`, `Config::affinity`): a process is started
//! with its client's values, and gets nothing of a client with others.

use std::collections::BTreeMap;

use mcp_bridge::{ChildId, Config, Exchange, Input, Output};

use super::super::law::{Broken, Judged, Law, require};
use super::messages::marks;

/// The values of the fields of one list, in its order.
type Values = Vec<Option<Vec<u8>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    env: Values,
    affinity: Values,
}

#[derive(Default)]
pub(super) struct Owners {
    header_env: Vec<(String, String)>,
    affinity: Vec<String>,
    asked: BTreeMap<Exchange, Owner>,
    /// Who sent the messages with these marks: `c` those of sessions, `u` those that share.
    told: BTreeMap<(u8, usize), Exchange>,
    /// With what a process was started, and whose requests it shares.
    started: BTreeMap<ChildId, Values>,
    serves: BTreeMap<ChildId, Exchange>,
}

impl Owners {
    pub(super) fn new(config: &Config) -> Self {
        let (header_env, affinity) = (config.header_env.clone(), config.affinity.clone());
        Self { header_env, affinity, ..Self::default() }
    }

    pub(super) fn input(&mut self, input: &Input<'_>) {
        let Input::Request { admitted, head, body, .. } = input else { return };
        if self.header_env.is_empty() && self.affinity.is_empty() {
            return;
        }
        let value = |name: &String| {
            let mut fields = head.fields.iter();
            let field = fields.find(|(other, _)| other.eq_ignore_ascii_case(name));
            field.map(|(_, value)| value.to_vec())
        };
        let env = self.header_env.iter().map(|(name, _)| value(name)).collect();
        let affinity = self.affinity.iter().map(value).collect();
        let exchange = admitted.exchange();
        self.asked.insert(exchange, Owner { env, affinity });
        for kind in [b'c', b'u'] {
            self.told.extend(marks(body, kind).into_iter().map(|mark| ((kind, mark), exchange)));
        }
    }

    pub(super) fn output(&mut self, output: &Output) -> Judged {
        match output {
            Output::Open { child: id, exchange, env, .. } => {
                let value = |name: &String| {
                    let variable = env.iter().find(|(other, _)| other == name);
                    variable.map(|(_, value)| value.clone().into_bytes())
                };
                let values: Values =
                    self.header_env.iter().map(|(_, variable)| value(variable)).collect();
                if let Some(asked) = exchange.and_then(|exchange| self.asked.get(&exchange)) {
                    let own = asked.env == values;
                    require!(Sharing, own, "{id} is for {asked:?}, and starts with {env:?}");
                }
                self.started.insert(*id, values);
                Ok(())
            }
            Output::Write { child: id, bytes } => {
                for kind in [b'c', b'u'] {
                    marks(bytes, kind)
                        .into_iter()
                        .try_for_each(|mark| self.write(*id, (kind, mark)))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A process gets a message with this mark.
    fn write(&mut self, id: ChildId, mark: (u8, usize)) -> Judged {
        let Some(exchange) = self.told.get(&mark) else { return Ok(()) };
        let Some(asked) = self.asked.get(exchange) else { return Ok(()) };
        let own = self.started.get(&id).is_none_or(|started| *started == asked.env);
        require!(Sharing, own, "{id} is another's, and gets a message of {asked:?}");
        if mark.0 == b'u' {
            let first = self.serves.entry(id).or_insert(*exchange);
            let first = self.asked.get(first);
            let shares = first.is_none_or(|first| first == asked);
            require!(Sharing, shares, "{id} serves {first:?}, and gets a message of {asked:?}");
        }
        Ok(())
    }
}
