-- Orders are approved on what the other accounts held at that version. Of two accounts that have read the same version one waits here
-- for the other's transaction, and then finds that it has to decide again.
create function risk_fleet_take(p_version bigint) returns void language plpgsql as $$
begin
  insert into risk_fleet (id, version) values (1, 0) on conflict (id) do nothing;
  update risk_fleet set version = version + 1 where id = 1 and version = p_version;
  if not found then
    raise exception 'another account was approved orders meanwhile' using errcode = 'TW004';
  end if;
end $$;

-- A control has disabled a strategy: it may only reduce its books until a person re-arms it. What is stricter stays as it is.
create function strategy_disable(p_strategy text, p_reason text, p_by text) returns void language sql as $$
  insert into kill_switch (scope, key, active, mode, reason, set_by) values ('strategy', p_strategy, true, 'reduce_only', p_reason, p_by)
  on conflict (scope, key) do update set active = true, mode = excluded.mode, reason = excluded.reason, set_by = excluded.set_by,
    set_at = clock_timestamp() where not kill_switch.active
$$;
