-- The kill switch has modes: halt lets nothing out, reduce_only and flatten let out only what shrinks its book.

create or replace function killed(p_account text, p_strategy text, p_symbol text) returns boolean language sql stable as $$
  select exists (select from kill_switch where active and mode = 'halt' and (scope, key) in
    (('fleet', ''), ('account', p_account), ('account', (select name from accounts where account_id = p_account)),
      ('strategy', p_strategy), ('symbol', p_symbol)))
$$;

create function only_reduces(p_account text, p_strategy text, p_symbol text) returns boolean language sql stable as $$
  select exists (select from risk_halts where account_id = p_account and active)
    or exists (select from kill_switch where active and mode <> 'halt' and (scope, key) in
      (('fleet', ''), ('account', p_account), ('account', (select name from accounts where account_id = p_account)),
        ('strategy', p_strategy), ('symbol', p_symbol)))
$$;

-- Whether an order, filled after everything its book has at the venue, can only bring the book nearer to zero.
-- What protects the position stands beside it and is cut back first, so it does not count against the exit.
create or replace function shrinks(p_account text, p_strategy text, p_symbol text, p_side text, p_quantity numeric, p_but uuid)
returns boolean language sql stable as $$
  select p_quantity <= case p_side when 'sell' then 1 else -1 end
      * coalesce((select quantity from positions where account_id = p_account and strategy_id = p_strategy and symbol = p_symbol), 0)
    - coalesce((select sum(quantity - filled_quantity) from orders where account_id = p_account and strategy_id = p_strategy
      and symbol = p_symbol and side = p_side and id <> p_but and purpose not in ('stop', 'target')
      and status in ('SUBMITTING', 'ACKED', 'PARTIAL', 'UNKNOWN', 'PENDING_CANCEL', 'CANCEL_UNKNOWN', 'PENDING_REPLACE',
        'REPLACE_UNKNOWN')), 0)
$$;

-- Intent before send: what may have turned worse since the decision is looked at once more, and raises.
create or replace function orders_submitting(p_ids uuid[], p_epoch bigint, p_market_ns bigint) returns void language plpgsql as $$
declare changed int;
begin
  if exists (select from orders o where o.id = any(p_ids) and killed(o.account_id, o.strategy_id, o.symbol)) then
    raise exception 'the kill switch is on' using errcode = 'TW004';
  end if;
  if exists (select from orders o where o.id = any(p_ids) and (o.reduce_only or only_reduces(o.account_id, o.strategy_id, o.symbol))
      and not shrinks(o.account_id, o.strategy_id, o.symbol, o.side, o.quantity, o.id)) then
    raise exception 'the book may only close' using errcode = 'TW004';
  end if;
  if exists (select from orders o where o.id = any(p_ids) and unreconciled(o.account_id)
      and not shrinks(o.account_id, o.strategy_id, o.symbol, o.side, o.quantity, o.id)) then
    raise exception 'record and venue differ, and nobody has decided on it' using errcode = 'TW004';
  end if;
  update orders set status = 'SUBMITTING', epoch = p_epoch, events = events + 1, updated_at = clock_timestamp()
    where id = any(p_ids) and status = 'APPROVED' and valid_until >= at_ns(p_market_ns);
  get diagnostics changed = row_count;
  if changed <> cardinality(p_ids) then
    raise exception 'of % orders only % may still be sent', cardinality(p_ids), changed using errcode = 'TW004';
  end if;
end $$;
