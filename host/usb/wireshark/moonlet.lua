-- Wireshark dissector for what Moonlet sends inside USB, NTLS and PED links (SPEC.md sections 2, 5, 9 and 10).
-- Copy it to Wireshark's folder of personal plugins (Help, About, Folders), or: tshark -X lua_script:moonlet.lua -r FILE

-- assembly/protocol.ts; a test compares them.
local COMMANDS = {
  [0x070b] = "AEAD_PART",
  [0x0904] = "AUDIT_CLEAR",
  [0x0901] = "AUDIT_CONFIG",
  [0x0906] = "AUDIT_EXPORT",
  [0x0907] = "AUDIT_IMPORT",
  [0x0908] = "AUDIT_MESSAGE",
  [0x0903] = "AUDIT_READ",
  [0x0902] = "AUDIT_SET_DOMAIN",
  [0x0900] = "AUDIT_STATUS",
  [0x0905] = "AUDIT_VERIFY",
  [0x0005] = "CERTIFICATES",
  [0x0002] = "CHANNEL_OPEN",
  [0x0803] = "CLONE_SOURCE_BATCH",
  [0x0806] = "CLONE_SOURCE_CLOSE",
  [0x0802] = "CLONE_SOURCE_HELLO",
  [0x0800] = "CLONE_SOURCE_INIT",
  [0x0805] = "CLONE_SOURCE_RESULT",
  [0x0804] = "CLONE_TARGET_BATCH",
  [0x0807] = "CLONE_TARGET_CLOSE",
  [0x0801] = "CLONE_TARGET_INIT",
  [0x0704] = "DECRYPT",
  [0x0708] = "DERIVE",
  [0x0703] = "ENCRYPT",
  [0x0010] = "FACTORY_BEGIN",
  [0x0011] = "FACTORY_FINISH",
  [0x0206] = "FLASH_INFO",
  [0x0202] = "HSM_FACTORY_RESET",
  [0x0200] = "HSM_INFO",
  [0x0201] = "HSM_INIT",
  [0x0204] = "HSM_POLICIES",
  [0x0205] = "HSM_SET_POLICY",
  [0x0203] = "HSM_ZEROIZE",
  [0x0700] = "MECHANISM_LIST",
  [0x0709] = "MESSAGE_NONCE",
  [0x070a] = "MESSAGE_SEAL",
  [0x0607] = "OBJECT_COPY",
  [0x0608] = "OBJECT_COUNT",
  [0x0601] = "OBJECT_CREATE",
  [0x0606] = "OBJECT_DESTROY",
  [0x0602] = "OBJECT_GENERATE",
  [0x0603] = "OBJECT_GENERATE_PAIR",
  [0x0604] = "OBJECT_GET",
  [0x0600] = "OBJECT_LIST",
  [0x0605] = "OBJECT_SET",
  [0x0707] = "PART",
  [0x0308] = "PARTITION_CLEAR",
  [0x0302] = "PARTITION_CREATE",
  [0x0303] = "PARTITION_DELETE",
  [0x030a] = "PARTITION_DOMAIN_ADD",
  [0x030d] = "PARTITION_DOMAIN_CHANGE",
  [0x030b] = "PARTITION_DOMAIN_LIST",
  [0x030c] = "PARTITION_DOMAIN_REMOVE",
  [0x0301] = "PARTITION_INFO",
  [0x0304] = "PARTITION_INIT",
  [0x0300] = "PARTITION_LIST",
  [0x0305] = "PARTITION_POLICIES",
  [0x0307] = "PARTITION_RESIZE",
  [0x0309] = "PARTITION_SET_DOMAIN",
  [0x0306] = "PARTITION_SET_POLICY",
  [0x0501] = "PED_CONNECT",
  [0x0502] = "PED_DISCONNECT",
  [0x0500] = "PED_GET",
  [0x0504] = "PED_VECTOR_ERASE",
  [0x0503] = "PED_VECTOR_INIT",
  [0x0004] = "RANDOM",
  [0x0006] = "RANDOM_SEED",
  [0x0404] = "ROLE_CHANGE_SECRET",
  [0x0405] = "ROLE_CREATE_CHALLENGE",
  [0x0406] = "ROLE_DEACTIVATE",
  [0x0402] = "ROLE_INFO",
  [0x0403] = "ROLE_INIT",
  [0x0400] = "ROLE_LOGIN",
  [0x0401] = "ROLE_LOGOUT",
  [0x0407] = "ROLE_RESET_SECRET",
  [0x0003] = "SELF_TEST",
  [0x0101] = "SESSION_CLOSE",
  [0x0102] = "SESSION_INFO",
  [0x0100] = "SESSION_OPEN",
  [0x0701] = "SIGN",
  [0x0a07] = "SRK_DISABLE",
  [0x0a06] = "SRK_ENABLE",
  [0x0a08] = "SRK_GENERATE",
  [0x0a0a] = "SRK_RECOVER",
  [0x0a05] = "SRK_SHOW",
  [0x0a09] = "SRK_TRANSPORT",
  [0x0001] = "STATUS",
  [0x0a04] = "STM_RECOVER",
  [0x0a02] = "STM_TRANSPORT",
  [0x0a03] = "STM_VERIFY",
  [0x0a01] = "TAMPER_CLEAR",
  [0x0a00] = "TAMPER_SHOW",
  [0x0706] = "UNWRAP",
  [0x0702] = "VERIFY",
  [0x0705] = "WRAP",
}

local PED_TYPES = {
  [1] = "HELLO",
  [2] = "HELLO_ACK",
  [3] = "REQUEST",
  [4] = "ANSWER",
  [5] = "CANCEL",
  [6] = "CLOSE",
  [0x7f] = "ALERT",
}

local NTLS_KINDS = {
  [1] = "HELLO",
  [2] = "WELCOME",
  [3] = "COMMAND",
  [4] = "REPLY",
  [5] = "REFUSED",
  [6] = "PED_CONNECT",
  [7] = "PED_DISCONNECT",
  [8] = "PED_DONE",
}

local PED_LINK_TYPES = { [1] = "PLUG", [2] = "READY", [3] = "REFUSED", [4] = "FRAME" }
local REQUESTS = { [1] = "ABORT", [2] = "LINE", [3] = "FRAME" }
local EVENTS = { [1] = "attend", [2] = "tamper", [3] = "removal", [4] = "pedFrame", [5] = "pedGone" }

local ANSWER = 0x8000
local FRAME_HEADER = 16
local PED_HEADER = 16
local TRANSFER_HEADER = 8
local MAX_FRAME = 66576
local NTLS_PORT = 1792
local PED_PORT = 1503

-- ---- command frames ----------------------------------------------------------------------------------------------------

local frame = Proto("moonlet.frame", "Moonlet command frame")
local f = {
  command = ProtoField.uint16("moonlet.command", "Command", base.HEX, COMMANDS, 0x7fff),
  answer = ProtoField.bool("moonlet.answer", "Answer", 16, nil, ANSWER),
  sealed = ProtoField.bool("moonlet.sealed", "Sealed", 16, nil, 1),
  session = ProtoField.uint32("moonlet.session", "Session", base.HEX),
  code = ProtoField.uint32("moonlet.code", "Return code", base.HEX),
  tag = ProtoField.uint32("moonlet.tag", "Tag"),
  length = ProtoField.uint32("moonlet.length", "Body length"),
  channel = ProtoField.uint32("moonlet.channel", "Channel", base.HEX),
  counter = ProtoField.uint32("moonlet.counter", "Counter"),
  ciphertext = ProtoField.bytes("moonlet.ciphertext", "Ciphertext and tag"),
  body = ProtoField.bytes("moonlet.body", "Body"),
}
frame.fields = f
local malformed = ProtoExpert.new("moonlet.malformed", "Not as in SPEC.md", expert.group.MALFORMED, expert.severity.ERROR)
frame.experts = { malformed }

-- The name of a frame's command, and whether it is an answer.
local function name_of(buffer)
  local word = buffer(0, 2):uint()
  local id = word % ANSWER
  return COMMANDS[id] or string.format("command 0x%04x", id), word >= ANSWER
end

function frame.dissector(buffer, pinfo, tree)
  local size = buffer:reported_length_remaining()
  if size < FRAME_HEADER or buffer:len() < FRAME_HEADER then return 0 end
  local name, is_answer = name_of(buffer)
  local code = buffer(4, 4):uint()
  local length = buffer(12, 4):uint()
  local sealed = buffer(2, 2):uint() % 2 == 1
  local words = name .. (sealed and " (sealed)" or "")
  if is_answer then
    words = words .. (code == 0 and ": OK" or string.format(": 0x%08x", code))
  end
  pinfo.cols.protocol = "Moonlet"
  pinfo.cols.info = words
  local part = tree:add(frame, buffer(), "Moonlet, " .. (is_answer and "answer to " or "request ") .. words)
  part:add(f.command, buffer(0, 2))
  part:add(f.answer, buffer(0, 2))
  part:add(f.sealed, buffer(2, 2))
  part:add(is_answer and f.code or f.session, buffer(4, 4))
  part:add(f.tag, buffer(8, 4))
  local at = part:add(f.length, buffer(12, 4))
  if size ~= FRAME_HEADER + length then
    at:add_proto_expert_info(malformed, "the frame is not as long as it says")
  end
  local rest = buffer:len() - FRAME_HEADER
  if rest == 0 then return buffer:len() end
  if sealed and rest >= 8 then
    part:add(f.channel, buffer(16, 4))
    part:add(f.counter, buffer(20, 4))
    if rest > 8 then part:add(f.ciphertext, buffer(24)) end
  else
    part:add(f.body, buffer(16))
  end
  return buffer:len()
end

-- ---- PED frames ----------------------------------------------------------------------------------------------------------

local ped = Proto("moonlet.ped", "Moonlet PED frame")
local p = {
  type = ProtoField.uint8("moonlet.ped.type", "Type", base.DEC, PED_TYPES),
  version = ProtoField.uint8("moonlet.ped.version", "Version"),
  id = ProtoField.uint16("moonlet.ped.id", "PED id"),
  sequence = ProtoField.uint32("moonlet.ped.sequence", "Sequence"),
  length = ProtoField.uint32("moonlet.ped.length", "Body length"),
  body = ProtoField.bytes("moonlet.ped.body", "Body"),
}
ped.fields = p
local ped_malformed =
  ProtoExpert.new("moonlet.ped.malformed", "Not as in SPEC.md", expert.group.MALFORMED, expert.severity.ERROR)
ped.experts = { ped_malformed }

local function is_ped(buffer, at)
  return buffer:len() >= at + PED_HEADER and buffer(at, 4):string() == "MPD1"
end

function ped.dissector(buffer, pinfo, tree)
  if not is_ped(buffer, 0) then return 0 end
  local kind = PED_TYPES[buffer(4, 1):uint()] or "unknown"
  pinfo.cols.protocol = "Moonlet PED"
  pinfo.cols.info = "PED " .. kind .. ", sequence " .. buffer(8, 4):uint()
  local part = tree:add(ped, buffer(), "Moonlet PED, " .. kind)
  part:add(p.type, buffer(4, 1))
  part:add(p.version, buffer(5, 1))
  part:add(p.id, buffer(6, 2))
  part:add(p.sequence, buffer(8, 4))
  local at = part:add(p.length, buffer(12, 4))
  if buffer:reported_length_remaining() ~= PED_HEADER + buffer(12, 4):uint() then
    at:add_proto_expert_info(ped_malformed, "the frame is not as long as it says")
  end
  if buffer:len() > PED_HEADER then part:add(p.body, buffer(PED_HEADER)) end
  return buffer:len()
end

-- ---- USB -----------------------------------------------------------------------------------------------------------------

local usb = Proto("moonlet.usb", "Moonlet on USB")
local u = {
  magic = ProtoField.string("moonlet.usb.magic", "Magic"),
  length = ProtoField.uint32("moonlet.usb.length", "Frame length"),
  piece = ProtoField.bytes("moonlet.usb.piece", "Piece of a transfer"),
  event = ProtoField.uint8("moonlet.usb.event", "Event", base.DEC, EVENTS),
  detail = ProtoField.uint8("moonlet.usb.detail", "Detail"),
  request = ProtoField.uint8("moonlet.usb.request", "Request", base.DEC, REQUESTS),
}
usb.fields = u

-- A transfer on a bulk pipe. Hosts and devices send each in one; where a controller cuts it the pieces after the first are shown as such.
local function bulk(buffer, pinfo, tree)
  local size = buffer:len()
  if size < TRANSFER_HEADER or buffer(0, 4):string() ~= "MLU1" then return false end
  local length = buffer(4, 4):uint()
  if length < FRAME_HEADER or length > MAX_FRAME then return false end
  local part = tree:add(usb, buffer(0, TRANSFER_HEADER), "Moonlet transfer")
  part:add(u.magic, buffer(0, 4))
  part:add(u.length, buffer(4, 4))
  if size >= TRANSFER_HEADER + length then
    frame.dissector(buffer(TRANSFER_HEADER, length):tvb(), pinfo, tree)
  else
    pinfo.cols.protocol = "Moonlet"
    pinfo.cols.info = "Beginning of a transfer: " .. (size >= TRANSFER_HEADER + 2 and name_of(buffer(TRANSFER_HEADER):tvb()) or "")
    if size > TRANSFER_HEADER then part:add(u.piece, buffer(TRANSFER_HEADER)) end
  end
  return true
end

local function interrupt(buffer, pinfo, tree)
  if buffer:len() ~= 4 or not EVENTS[buffer(0, 1):uint()] or buffer(2, 2):uint() ~= 0 then return false end
  local name = EVENTS[buffer(0, 1):uint()]
  pinfo.cols.protocol = "Moonlet"
  pinfo.cols.info = "Event " .. name
  local part = tree:add(usb, buffer(), "Moonlet event, " .. name)
  part:add(u.event, buffer(0, 1))
  part:add(u.detail, buffer(1, 1))
  return true
end

-- Of a request: bRequest, wValue, wIndex, wLength, and what goes out. Of an answer: what came in.
local function control(buffer, pinfo, tree)
  if is_ped(buffer, 0) then return ped.dissector(buffer, pinfo, tree) > 0 end
  if buffer:len() < 7 or not REQUESTS[buffer(0, 1):uint()] then return false end
  local name = REQUESTS[buffer(0, 1):uint()]
  pinfo.cols.protocol = "Moonlet"
  pinfo.cols.info = "Vendor request " .. name
  local part = tree:add(usb, buffer(0, 7), "Moonlet vendor request, " .. name)
  part:add(u.request, buffer(0, 1))
  if is_ped(buffer, 7) then ped.dissector(buffer(7):tvb(), pinfo, tree) end
  return true
end

function usb.dissector(buffer, pinfo, tree)
  return bulk(buffer, pinfo, tree) or interrupt(buffer, pinfo, tree) or control(buffer, pinfo, tree)
end

usb:register_heuristic("usb.bulk", bulk)
usb:register_heuristic("usb.interrupt", interrupt)
usb:register_heuristic("usb.control", control)

-- ---- NTLS and PED links, inside TLS ----------------------------------------------------------------------------------------

local ntls = Proto("moonlet.ntls", "Moonlet NTLS")
local n = {
  length = ProtoField.uint32("moonlet.ntls.length", "Length"),
  kind = ProtoField.uint8("moonlet.ntls.kind", "Kind", base.DEC, NTLS_KINDS),
  hsm = ProtoField.uint8("moonlet.ntls.hsm", "HSM"),
  body = ProtoField.bytes("moonlet.ntls.body", "Body"),
}
ntls.fields = n

local function ntls_message(buffer, pinfo, tree)
  local kind = buffer(4, 1):uint()
  local name = NTLS_KINDS[kind] or "unknown"
  pinfo.cols.protocol = "NTLS"
  pinfo.cols.info = name
  local part = tree:add(ntls, buffer(), "Moonlet NTLS, " .. name)
  part:add(n.length, buffer(0, 4))
  part:add(n.kind, buffer(4, 1))
  part:add(n.hsm, buffer(5, 1))
  if buffer:len() == 8 then return buffer:len() end
  if kind == 3 or kind == 4 then
    frame.dissector(buffer(8):tvb(), pinfo, tree)
  else
    part:add(n.body, buffer(8))
  end
  return buffer:len()
end

function ntls.dissector(buffer, pinfo, tree)
  dissect_tcp_pdus(buffer, tree, 4, function(head) return 4 + head(0, 4):uint() end, ntls_message)
  return buffer:len()
end

local ped_link = Proto("moonlet.pedlink", "Moonlet PED link")
local l = { type = ProtoField.uint8("moonlet.pedlink.type", "Type", base.DEC, PED_LINK_TYPES) }
ped_link.fields = l

local function ped_message(buffer, pinfo, tree)
  local kind = buffer(2, 1):uint()
  pinfo.cols.protocol = "Moonlet PED"
  pinfo.cols.info = PED_LINK_TYPES[kind] or "unknown"
  local part = tree:add(ped_link, buffer(0, 3), "Moonlet PED link, " .. (PED_LINK_TYPES[kind] or "unknown"))
  part:add(l.type, buffer(2, 1))
  if kind == 4 then ped.dissector(buffer(3):tvb(), pinfo, tree) end
  return buffer:len()
end

function ped_link.dissector(buffer, pinfo, tree)
  dissect_tcp_pdus(buffer, tree, 3, function(head) return 2 + head(0, 2):uint() end, ped_message)
  return buffer:len()
end

DissectorTable.get("tls.port"):add(NTLS_PORT, ntls)
DissectorTable.get("tls.port"):add(PED_PORT, ped_link)
