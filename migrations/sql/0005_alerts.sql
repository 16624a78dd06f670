-- Something that a person has to acknowledge. Until then the same of the same book is one alert, whose deadline stays.
create function risk_alert_raise(
  p_account text, p_code text, p_strategy text, p_symbol text, p_message text, p_times bigint, p_within double precision
) returns void language sql as $$
  insert into risk_alerts (account_id, code, strategy_id, symbol, message, times, deadline)
  values (p_account, p_code, p_strategy, p_symbol, p_message, p_times, clock_timestamp() + make_interval(secs => p_within))
  on conflict (account_id, code, strategy_id, symbol) where acknowledged_at is null
  do update set times = risk_alerts.times + excluded.times, message = excluded.message, last_at = clock_timestamp()
$$;

-- Nobody has acknowledged it in time: the account stops, unless it is stopped as strictly already. TW004 when somebody has.
create function risk_alert_trip(p_id uuid, p_mode text, p_reason text, p_by text) returns void language plpgsql as $$
declare
  v_account text;
begin
  update risk_alerts set tripped_at = clock_timestamp()
    where id = p_id and acknowledged_at is null and tripped_at is null and deadline <= clock_timestamp() returning account_id into v_account;
  if not found then
    raise exception 'alert % was acknowledged meanwhile', p_id using errcode = 'TW004';
  end if;
  insert into kill_switch (scope, key, active, mode, reason, set_by) values ('account', v_account, true, p_mode, p_reason, p_by)
    on conflict (scope, key) do update set active = true, mode = excluded.mode, reason = excluded.reason, set_by = excluded.set_by,
      set_at = clock_timestamp() where not kill_switch.active or array_position(array['halt', 'flatten', 'reduce_only'], excluded.mode)
        < array_position(array['halt', 'flatten', 'reduce_only'], kill_switch.mode);
end $$;

-- A person has seen it. TW004 when somebody else said so first.
create function risk_alert_acknowledge(p_id uuid, p_reason text, p_by text) returns void language plpgsql as $$
begin
  update risk_alerts set acknowledged_at = clock_timestamp(), acknowledged_by = p_by, reason = p_reason
    where id = p_id and acknowledged_at is null;
  if not found then
    raise exception 'alert % was acknowledged meanwhile', p_id using errcode = 'TW004';
  end if;
end $$;
