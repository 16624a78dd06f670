-- A kill switch is lifted once it has been on for a while, by this clock: whoever set it again meanwhile is heard.
create function kill_lift(p_scope text, p_key text, p_reason text, p_by text, p_cool_off double precision) returns void
language plpgsql as $$
begin
  update kill_switch set active = false, reason = p_reason, set_by = p_by, set_at = clock_timestamp()
    where scope = p_scope and key = p_key and active and set_at <= clock_timestamp() - make_interval(secs => p_cool_off);
  if not found then
    raise exception 'the kill switch of % % was set again or lifted meanwhile', p_scope, p_key using errcode = 'TW004';
  end if;
end $$;
