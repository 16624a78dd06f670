-- One order larger than usual is approved, because a person has named it. Of two that would use the same word the second waits here for
-- the first's transaction, and then has to decide again.
create function risk_permit_use(p_id uuid, p_signal uuid) returns void language plpgsql as $$
begin
  update risk_permits set used_at = clock_timestamp(), signal_id = p_signal
    where id = p_id and used_at is null and valid_until > clock_timestamp();
  if not found then
    raise exception 'permit % was used, or ended, meanwhile', p_id using errcode = 'TW004';
  end if;
end $$;
