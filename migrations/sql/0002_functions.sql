-- States carry their last targets inside; assessments the controls that were passed.
drop function strategy_states_store(text, text[], text[], text[], bigint[], bytea[], float8[]);
create function strategy_states_store(p_session text, p_strategies text[], p_symbols text[], p_fingerprints text[],
  p_bars bigint[], p_states bytea[]) returns void language plpgsql as $$
declare stored int;
begin
  insert into strategy_states as s (session_id, strategy_id, symbol, fingerprint, bar_time, state)
    select p_session, i, y, f, at_ns(b), x
      from unnest(p_strategies, p_symbols, p_fingerprints, p_bars, p_states) u(i, y, f, b, x)
    on conflict (session_id, strategy_id, symbol) do update set fingerprint = excluded.fingerprint,
      bar_time = excluded.bar_time, state = excluded.state
      where s.bar_time <= excluded.bar_time or s.fingerprint <> excluded.fingerprint;
  get diagnostics stored = row_count;
  if stored <> cardinality(p_strategies) then
    raise exception 'a strategy state is already ahead of %', p_bars using errcode = 'TW004';
  end if;
end $$;

-- A verdict is final but for WAITING, which is decided again when its book is free.
drop function assessments_store(uuid[], text[], text[], text[], text[], text[], text[], text[], text[], text[]);
create function assessments_store(p_ids uuid[], p_sessions text[], p_accounts text[], p_strategies text[], p_symbols text[],
  p_verdicts text[], p_codes text[], p_reasons text[], p_limits text[], p_seen text[], p_checks text[]) returns void language plpgsql as $$
declare stored int;
begin
  insert into risk_assessments as r (signal_id, session_id, account_id, strategy_id, symbol, verdict, code, reason, limit_value,
      seen_value, checks)
    select i, e, a, s, y, v, c, w, l, n, k::jsonb
      from unnest(p_ids, p_sessions, p_accounts, p_strategies, p_symbols, p_verdicts, p_codes, p_reasons, p_limits, p_seen, p_checks)
        u(i, e, a, s, y, v, c, w, l, n, k)
    on conflict (signal_id) do update set verdict = excluded.verdict, code = excluded.code, reason = excluded.reason,
      limit_value = excluded.limit_value, seen_value = excluded.seen_value, checks = excluded.checks, updated_at = clock_timestamp()
      where r.verdict = 'WAITING';
  get diagnostics stored = row_count;
  if stored <> cardinality(p_ids) then
    raise exception 'of % signals only % had no final verdict yet', cardinality(p_ids), stored using errcode = 'TW004';
  end if;
end $$;
