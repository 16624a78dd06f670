-- trade_executor may add orders of one kind only: children of an order that risk_manager approved, within what was approved.
-- Slices of a parent, those whose outcome is unknown included, never exceed it; a stop or target only shrinks the parent's book.
create function orders_child(p_id uuid, p_client_order_id text, p_parent uuid, p_leg bigint, p_purpose text, p_order_type text,
  p_side text, p_quantity numeric, p_price numeric, p_stop numeric, p_trail numeric, p_oco text, p_time_in_force text, p_replaces uuid,
  p_decided bigint, p_valid bigint, p_expires bigint, p_epoch bigint) returns void language plpgsql as $$
declare
  parent orders%rowtype;
  taken numeric;
begin
  select * into parent from orders where id = p_parent for update;
  if not found or parent.parent_id is not null then
    raise exception 'order % has no approved parent', p_id using errcode = 'TW004';
  end if;
  if p_purpose = 'slice' then
    select coalesce(sum(case when status in ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED', 'NOT_ACCEPTED', 'DENIED')
        then filled_quantity else greatest(quantity, filled_quantity) end), 0)
      into taken from orders where parent_id = p_parent and purpose = 'slice' and id <> p_id;
    if parent.status <> 'WORKING' or p_side <> parent.side or taken + p_quantity > parent.quantity then
      raise exception 'a slice of % on top of % is not within order %', p_quantity, taken, p_parent using errcode = 'TW004';
    end if;
  elsif p_purpose in ('stop', 'target') then
    if p_side = parent.side then
      raise exception 'a % of order % would add to its book', p_purpose, p_parent using errcode = 'TW004';
    end if;
  else
    raise exception 'an order cannot be a child as %', p_purpose using errcode = 'TW004';
  end if;
  insert into orders (id, client_order_id, account_id, venue, session_id, symbol, order_type, side, quantity, price, stop_price, trail,
      oco, purpose, reduce_only, replaces, status, time_in_force, strategy_id, signal_id, leg, parent_id, risk_assessment_id, epoch,
      decided_at, valid_until, expires_at)
    values (p_id, p_client_order_id, parent.account_id, parent.venue, parent.session_id, parent.symbol, p_order_type, p_side, p_quantity,
      p_price, p_stop, p_trail, p_oco, p_purpose, p_purpose <> 'slice' or parent.reduce_only, p_replaces, 'APPROVED', p_time_in_force, parent.strategy_id,
      parent.signal_id, p_leg, p_parent, parent.risk_assessment_id, p_epoch, at_ns(p_decided), at_ns(p_valid), at_ns(p_expires))
    on conflict (id) do nothing;
end $$;
