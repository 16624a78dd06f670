-- What rights on tables cannot say, for services that each have a role of their own (libs/store/rights.py has the rights).

-- Whoever may call these may do what they check, and no more: they run as the owner of the tables, and look for names nowhere but there.
-- orders_child, orders_adopt: trade_executor may insert no order but these. risk_limits_...: nobody but the owner writes a limit past
-- its cool-off. Partitions can be made and dropped by the owner of their table only.
alter function orders_child security definer set search_path = public, pg_temp;
alter function orders_adopt security definer set search_path = public, pg_temp;
alter function risk_limits_begin security definer set search_path = public, pg_temp;
alter function risk_limits_change security definer set search_path = public, pg_temp;

create or replace function ensure_market_partition(p_table text, p_at_ns bigint) returns void language plpgsql
security definer set search_path = public, pg_temp as $$
declare
  first date := date_trunc('month', at_ns(p_at_ns) at time zone 'UTC')::date;
  part text := p_table || to_char(first, '_YYYYMM');
begin
  if p_table <> all ('{market_quotes,market_ohlcv}') then
    raise exception 'expected market_quotes or market_ohlcv, got %', p_table using errcode = 'TW005';
  end if;
  if to_regclass(part) is not null then return; end if;
  perform pg_advisory_xact_lock(hashtext(part));
  execute format('create table if not exists %I partition of %I for values from (%L) to (%L)',
    part, p_table, first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
end $$;

create or replace function market_partition_drop(p_table text, p_month date) returns void language plpgsql
security definer set search_path = public, pg_temp as $$
begin
  if p_table <> all ('{market_quotes,market_ohlcv}') then
    raise exception 'expected market_quotes or market_ohlcv, got %', p_table using errcode = 'TW005';
  end if;
  perform set_config('lock_timeout', '1s', true);
  execute format('drop table if exists %I', p_table || to_char(p_month, '_YYYYMM'));
end $$;

-- An order is approved by being inserted so, and never again: no update makes an approval of what is something else by now, such as an
-- order of others that was adopted.
create function approved_once() returns trigger language plpgsql as $$
begin
  raise exception 'order % is %: an update cannot approve it', old.id, old.status using errcode = 'TW005';
end $$;
create trigger approved_once before update of status on orders for each row
  when (new.status = 'APPROVED' and old.status <> 'APPROVED') execute function approved_once();

-- Rows: whoever may read or delete here at all does so with every row. Which streams a service may append to is its role's, by a policy
-- that is made with the role. Anybody who may set a kill switch may set any; only the operator has a policy that lets him lift one.
alter table journal enable row level security;
create policy read on journal for select using (true);
create policy trim on journal for delete using (true);
alter table journal_counters enable row level security;
create policy read on journal_counters for select using (true);
alter table kill_switch enable row level security;
create policy read on kill_switch for select using (true);
create policy trip on kill_switch for insert with check (active);
create policy trip_again on kill_switch for update using (true) with check (active);
