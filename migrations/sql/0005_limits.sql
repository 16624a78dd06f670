-- Why a limit cannot stand; null when it can. libs/domain/limits.py says the same to whoever writes one.
create function limit_fault(p_scope text, p_key text, p_name text, p_unit text, p_value double precision) returns text
language plpgsql immutable as $$
declare
  units constant text[] := case p_name
    when 'max_order_quantity' then '{count}'
    when 'max_order_notional' then '{currency,equity}'
    when 'max_adv_share' then '{fraction}'
    when 'max_order_to_median' then '{count}'
    when 'price_collar' then '{fraction}'
    when 'max_spread' then '{fraction}'
    when 'max_price_jump' then '{fraction}'
    when 'max_position_notional' then '{currency,equity}'
    when 'max_overnight_notional' then '{currency,equity}'
    when 'max_short_notional' then '{currency,equity}'
    when 'max_gross_exposure' then '{currency,equity}'
    when 'max_net_exposure' then '{currency,equity}'
    when 'max_open_orders' then '{count}'
    when 'max_orders_per_second' then '{count}'
    when 'max_orders_per_minute' then '{count}'
    when 'max_repeated_entries' then '{count}'
    when 'max_order_to_trade' then '{count}'
    when 'max_cancel_ratio' then '{fraction}'
    when 'max_daily_loss' then '{fraction}'
    when 'max_drawdown' then '{fraction}'
    when 'restricted' then '{count}'
    when 'allowed' then '{count}'
  end;
begin
  if units is null then
    return format('no limit is called %s', p_name);
  elsif p_unit <> all (units) then
    return format('expected unit %s of %s, got %s', array_to_string(units, ' or '), p_name, p_unit);
  elsif p_scope <> all ('{order,symbol,strategy,account,fleet}') then
    return format('expected scope order, symbol, strategy, account or fleet, got %s', p_scope);
  elsif p_key = '' or (p_scope in ('order', 'fleet') and p_key <> '*') then
    return format('expected key * with scope %s, got %L', p_scope, p_key);
  elsif p_name in ('max_daily_loss', 'max_drawdown') and p_scope not in ('account', 'fleet') then
    return format('expected scope account or fleet of %s, got %s', p_name, p_scope);
  elsif p_name in ('restricted', 'allowed') and (p_scope <> 'symbol' or p_key = '*') then
    return format('expected scope symbol and a symbol of %s, got %s %s', p_name, p_scope, p_key);
  elsif p_value is null then
    return null;  -- taken away
  elsif not (p_value >= 0 and p_value <= 1e15) then  -- NaN is above everything
    return format('expected a number from 0 to 1e15, got %s', p_value);
  elsif p_name in ('max_daily_loss', 'max_drawdown') and not (p_value > 0 and p_value <= 1) then
    return format('expected a share above 0 and at most 1, got %s', p_value);
  elsif p_name in ('restricted', 'allowed') and p_value <> 1 then
    return format('expected 1, for it is on the list, got %s', p_value);
  end if;
  return null;
end $$;

alter table risk_limits add constraint ck_risk_limits_sound check (limit_fault(scope, key, name, unit, value) is null);

create function append_only() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are never changed or deleted: a change is another row', tg_table_name using errcode = 'TW005';
end $$;
create trigger append_only before update or delete on risk_limits for each row execute function append_only();
create trigger never_emptied before truncate on risk_limits execute function append_only();
create trigger append_only before update or delete on risk_limits_used for each row execute function append_only();

-- The first limits of a record; where there are any, nothing. True when they were taken.
create function risk_limits_begin(p_scopes text[], p_keys text[], p_names text[], p_units text[], p_values double precision[],
  p_reason text, p_by text) returns boolean language plpgsql as $$
declare
  moment timestamptz;
begin
  lock table risk_limits in share row exclusive mode;
  if exists (select from risk_limits) then
    return false;
  end if;
  moment := clock_timestamp();
  insert into risk_limits (version, scope, key, name, unit, value, reason, by, at, effective_at)
    select n, s, k, m, u, v, p_reason, p_by, moment, moment
      from unnest(p_scopes, p_keys, p_names, p_units, p_values) with ordinality w(s, k, m, u, v, n);
  return found;
end $$;

-- Which symbols are allowed at a moment; none: everything is.
create function risk_limits_allowed(p_moment timestamptz) returns text[] language sql stable as $$
  select coalesce(array_agg(n.key), '{}') from (select distinct on (scope, key, unit) * from risk_limits where name = 'allowed'
      order by scope, key, unit, version desc) n left join risk_limits h on h.version = n.held
    where case when n.effective_at <= p_moment then n.value else h.value end is not null
$$;

-- Changes of limits, one after another; a value of null takes a limit away. What is tighter than what holds does so at once, what is
-- looser once it has cooled off, by this clock. Of one scope, key, name and unit the newest row counts: whatever waited before it
-- never comes to hold, and until it does what held when it was asked for goes on holding. What one command asks for has one moment:
-- what is exchanged for something else is never gone before the other is there.
create function risk_limits_change(p_scopes text[], p_keys text[], p_names text[], p_units text[], p_values double precision[],
  p_reason text, p_by text, p_cool_off double precision, p_command uuid) returns void language plpgsql as $$
declare
  asked record;
  newest risk_limits;
  held risk_limits;
  fault text;
  moment timestamptz;
  loosens boolean;
  allowed text[];
begin
  lock table risk_limits in share row exclusive mode;
  moment := clock_timestamp();
  allowed := risk_limits_allowed(moment);
  for asked in select * from unnest(p_scopes, p_keys, p_names, p_units, p_values) w(scope, key, name, unit, value) loop
    fault := limit_fault(asked.scope, asked.key, asked.name, asked.unit, asked.value);
    if fault is not null then
      raise exception '%', fault using errcode = 'TW005';
    end if;
    select * into newest from risk_limits r
      where (r.scope, r.key, r.name, r.unit) = (asked.scope, asked.key, asked.name, asked.unit) order by version desc limit 1;
    held := newest;
    if newest.effective_at > moment then
      select * into held from risk_limits where version = newest.held;
    end if;
    if newest.value is not distinct from asked.value then
      raise exception '% of % % has been set to that meanwhile', asked.name, asked.scope, asked.key using errcode = 'TW004';
    end if;
    loosens := case
      when asked.value is not distinct from held.value then false
      -- a list is tight when it begins, whatever it is long; each further symbol lets more in, and the end of the list lets in everything
      when asked.name = 'allowed' and asked.value is not null then cardinality(allowed) > 0
      when asked.name = 'allowed' then risk_limits_allowed(moment) <@ array[asked.key]
      else held.value is not null and (asked.value is null or asked.value > held.value)
    end;
    insert into risk_limits (version, scope, key, name, unit, value, reason, by, at, effective_at, held, command_id)
      values ((select coalesce(max(version), 0) + 1 from risk_limits), asked.scope, asked.key, asked.name, asked.unit, asked.value,
        p_reason, p_by, moment,
        moment + make_interval(secs => case when loosens then p_cool_off else 0 end), held.version, p_command);
  end loop;
end $$;
