-- The order path's functions. SQLSTATEs: TW001 stale cursor, TW002 lease lost, TW003 unknown stream,
-- TW004 a row was no longer what the decision was made on.

create function cursor_open(p_consumer text, p_streams text[])
returns table(stream text, no bigint, epoch bigint, oldest bigint) language plpgsql as $$
begin
  insert into cursors(consumer, stream) select p_consumer, unnest(p_streams) on conflict do nothing;
  return query select c.stream, c.no, c.epoch,
      coalesce((select min(j.no) from journal j where j.stream = c.stream),
        (select k.last_no + 1 from journal_counters k where k.stream = c.stream), c.no + 1)
    from cursors c where c.consumer = p_consumer and c.stream = any(p_streams);
end $$;

create function cursor_move(p_consumer text, p_stream text, p_from bigint, p_to bigint, p_epoch bigint)
returns void language plpgsql as $$
begin
  update cursors set no = p_to where consumer = p_consumer and stream = p_stream and no = p_from and epoch = p_epoch;
  if not found then
    raise exception 'stale cursor % % %', p_consumer, p_stream, p_from using errcode = 'TW001';
  end if;
end $$;

-- Call it last: the counter's lock is held until the commit has been flushed.
create function journal_append(p_stream text, p_keys uuid[], p_bodies text[]) returns bigint language plpgsql as $$
declare last bigint; n int := cardinality(p_bodies);
begin
  if n = 0 then return null; end if;
  update journal_counters set last_no = last_no + n where stream = p_stream returning last_no into last;
  if not found then raise exception 'unknown stream %', p_stream using errcode = 'TW003'; end if;
  insert into journal(stream, no, key, body)
    select p_stream, last - n + o, k, b from unnest(p_keys, p_bodies) with ordinality t(k, b, o);
  return last - n + 1;
end $$;

create function lease_take(p_name text, p_holder text, p_ttl_s float8, p_deadline_s float8, p_streams text[])
returns table(epoch bigint, holder text, wait_s float8) language plpgsql as $$
declare held leases%rowtype;
begin
  insert into leases(name, holder, epoch, expires_at, released) values (p_name, '', 0, '-infinity', true) on conflict do nothing;
  select * into held from leases l where l.name = p_name for update;
  if held.released or held.holder = p_holder or held.expires_at + make_interval(secs => p_deadline_s) < clock_timestamp() then
    update leases l set holder = p_holder, epoch = l.epoch + 1, released = false,
        expires_at = clock_timestamp() + make_interval(secs => p_ttl_s)
      where l.name = p_name returning l.epoch into held.epoch;
    insert into cursors(consumer, stream, epoch) select p_name, unnest(p_streams), held.epoch
      on conflict (consumer, stream) do update set epoch = excluded.epoch;
    return query select held.epoch, p_holder, 0::float8;
  else
    return query select held.epoch, held.holder,
      extract(epoch from held.expires_at + make_interval(secs => p_deadline_s) - clock_timestamp())::float8;
  end if;
end $$;

create function lease_renew(p_name text, p_holder text, p_epoch bigint, p_ttl_s float8) returns void language plpgsql as $$
begin
  update leases set expires_at = clock_timestamp() + make_interval(secs => p_ttl_s)
    where name = p_name and holder = p_holder and epoch = p_epoch and not released;
  if not found then raise exception 'lease % is no longer held by %', p_name, p_holder using errcode = 'TW002'; end if;
end $$;

create function lease_release(p_name text, p_holder text) returns void language sql as $$
  update leases set released = true where name = p_name and holder = p_holder;
$$;

-- The fence of a write that moves no cursor. FOR SHARE: a takeover waits for us, or we see that it came first.
create function lease_guard(p_name text, p_epoch bigint) returns void language plpgsql as $$
begin
  perform 1 from leases where name = p_name and epoch = p_epoch and not released for share;
  if not found then raise exception 'lease % is no longer at epoch %', p_name, p_epoch using errcode = 'TW002'; end if;
end $$;

-- Market time is kept in nanoseconds; tables hold microseconds.
create function at_ns(p_ns bigint) returns timestamptz language sql immutable strict parallel safe as $$
  select timestamptz 'epoch' + (p_ns / 1000) * interval '1 microsecond'
$$;
create function ns_of(p_at timestamptz) returns bigint language sql immutable strict parallel safe as $$
  select (extract(epoch from p_at) * 1000000000)::bigint
$$;

create function killed(p_account text, p_strategy text, p_symbol text) returns boolean language sql stable as $$
  select exists (select from kill_switch where active and (scope, key) in
    (('fleet', ''), ('account', p_account), ('account', (select name from accounts where account_id = p_account)),
      ('strategy', p_strategy), ('symbol', p_symbol)))
$$;

-- Intent before send: what may have turned worse since the decision is looked at once more, and raises.
create function orders_submitting(p_ids uuid[], p_epoch bigint, p_market_ns bigint) returns void language plpgsql as $$
declare changed int;
begin
  if exists (select from orders o where o.id = any(p_ids) and killed(o.account_id, o.strategy_id, o.symbol)) then
    raise exception 'the kill switch is on' using errcode = 'TW004';
  end if;
  update orders set status = 'SUBMITTING', epoch = p_epoch, events = events + 1, updated_at = clock_timestamp()
    where id = any(p_ids) and status = 'APPROVED' and valid_until >= at_ns(p_market_ns);
  get diagnostics changed = row_count;
  if changed <> cardinality(p_ids) then
    raise exception 'of % orders only % may still be sent', cardinality(p_ids), changed using errcode = 'TW004';
  end if;
end $$;

create function ensure_market_partition(p_table text, p_at_ns bigint) returns void language plpgsql as $$
declare
  first date := date_trunc('month', at_ns(p_at_ns) at time zone 'UTC')::date;
  part text := p_table || to_char(first, '_YYYYMM');
begin
  if to_regclass(part) is not null then return; end if;
  perform pg_advisory_xact_lock(hashtext(part));
  execute format('create table if not exists %I partition of %I for values from (%L) to (%L)',
    part, p_table, first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
end $$;

create function strategy_states_store(p_session text, p_strategies text[], p_symbols text[], p_fingerprints text[],
  p_bars bigint[], p_states bytea[], p_targets float8[]) returns void language plpgsql as $$
declare stored int;
begin
  insert into strategy_states as s (session_id, strategy_id, symbol, fingerprint, bar_time, state, last_target)
    select p_session, i, y, f, at_ns(b), x, t
      from unnest(p_strategies, p_symbols, p_fingerprints, p_bars, p_states, p_targets) u(i, y, f, b, x, t)
    on conflict (session_id, strategy_id, symbol) do update set fingerprint = excluded.fingerprint,
      bar_time = excluded.bar_time, state = excluded.state, last_target = excluded.last_target
      where s.bar_time <= excluded.bar_time or s.fingerprint <> excluded.fingerprint;
  get diagnostics stored = row_count;
  if stored <> cardinality(p_strategies) then
    raise exception 'a strategy state is already ahead of %', p_bars using errcode = 'TW004';
  end if;
end $$;

-- A verdict is final but for WAITING, which is decided again when its book is free.
create function assessments_store(p_ids uuid[], p_sessions text[], p_accounts text[], p_strategies text[], p_symbols text[],
  p_verdicts text[], p_codes text[], p_reasons text[], p_limits text[], p_seen text[]) returns void language plpgsql as $$
declare stored int;
begin
  insert into risk_assessments as r (signal_id, session_id, account_id, strategy_id, symbol, verdict, code, reason, limit_value, seen_value)
    select * from unnest(p_ids, p_sessions, p_accounts, p_strategies, p_symbols, p_verdicts, p_codes, p_reasons, p_limits, p_seen)
    on conflict (signal_id) do update set verdict = excluded.verdict, code = excluded.code, reason = excluded.reason,
      limit_value = excluded.limit_value, seen_value = excluded.seen_value, updated_at = clock_timestamp()
      where r.verdict = 'WAITING';
  get diagnostics stored = row_count;
  if stored <> cardinality(p_ids) then
    raise exception 'of % signals only % had no final verdict yet', cardinality(p_ids), stored using errcode = 'TW004';
  end if;
end $$;
