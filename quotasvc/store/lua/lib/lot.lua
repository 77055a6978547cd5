-- lot: how an amount is drawn from lots and given back to them.
local lot = {}

-- Draws up to `need` from `lots`, in their order, into `shares`; returns what is still needed.
function lot.draw(lots, need, shares)
  for _, one in ipairs(lots) do
    if need == 0 then break end
    local take = math.min(need, one.available)
    if take > 0 then
      shares[#shares + 1] = {
        member = one.member,
        expire_ms = one.expire_ms,
        available = one.available,
        nanos = take,
      }
      need = need - take
    end
  end
  return need
end

-- Which part of what was held stays charged when only `keep` of it is: a prefix, so that giving
-- back is last in, first out (SEM-25). Sets `charged` of each leg; returns what of `keep` is left.
function lot.keep(legs, keep)
  for _, leg in ipairs(legs) do
    leg.charged = math.min(keep, leg.held)
    keep = keep - leg.charged
  end
  return keep
end

-- Where what comes back to a lot goes: to the lot, or nowhere if it has ended since (SEM-23).
function lot.return_to(expire_ms, is_revoked, now)
  if is_revoked then return "revoked" end
  if expire_ms > 0 and expire_ms <= now then return "expired" end
  return "available"
end

-- The id within a member of the order, "<purchased_at, 13 digits>:<lot id>".
function lot.id(member)
  return string.sub(member, 15)
end

-- A lot's place in the order: its expiry; without one (0) the last.
function lot.score(expire_ms)
  if expire_ms == 0 then return "+inf" end
  return expire_ms
end

return lot
