export { type BoxEntry, PedKeyBox } from './box.js'
export { ApplianceCall, type ApplianceCallOptions } from './call.js'
export { PedCallers, type PedCallersOptions } from './callers.js'
export { type PedClock, realPedClock } from './clock.js'
export { defaultRules, KEY_NAMES, type KeyNames } from './default-rules.js'
export { PedError, type PedErrorCode } from './errors.js'
export type { PedEvent, RemotePedEvent } from './events.js'
export { PED_COLOURS, type PedColour } from './kinds.js'
export { LinePed, type ServedPed } from './line-ped.js'
export { type Operator, type PedAction, type PedPrompt, type PedQuestion, promptText } from './operator.js'
export { checkOperatorRules, type OperatorRule, readOperatorRules } from './operator-rules.js'
export { type PersonTerminal, TerminalOperator } from './operator-terminal.js'
export { Ped, type PedOptions } from './ped.js'
export {
  blankPedKey,
  decodePedKey,
  encodePedKey,
  type PedKey,
  type PedKeyContent,
  type PedShare,
  readPedKey,
  writePedKey,
} from './ped-key.js'
export { connectRemotePed, type RemotePedOptions } from './remote-client.js'
export { RemotePedServer, type RemotePedServerOptions } from './remote-server.js'
export { RuleOperator, type RuleOperatorOptions } from './rule-operator.js'
export { type SerialEvent, SerialLine, type SerialLineOptions } from './serial.js'
export { openSerialPort, SERIAL_BAUD_RATE, SerialPlug } from './serial-port.js'
export { displayOn, StreamTerminal } from './stream-terminal.js'
export { UnattendedOperator } from './unattended-operator.js'
