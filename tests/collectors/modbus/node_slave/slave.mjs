// A slave of the npm package modbus-serial: node slave.mjs PLACE UNITS, both JSON. PLACE is {"tcp": port} or {"path": path,
// "baud": baud, "unit": unit}; UNITS is {unit: {"holding": {address: word}, "input": {address: word}}}. Prints "ready".
// A register that is not listed is refused with exception 2, a unit that is not listed stays silent.
import modbus from 'modbus-serial';

const { ServerTCP, ServerSerial } = modbus;
const place = JSON.parse(process.argv[2]);
const units = JSON.parse(process.argv[3]);

function word(kind) {
  return (address, unit, callback) => {
    const table = units[unit];
    if (table === undefined) return; // no callback, no reply
    const value = table[kind][address];
    if (value === undefined) callback({ modbusErrorCode: 2 });
    else callback(null, value);
  };
}

const registers = { getHoldingRegister: word('holding'), getInputRegister: word('input') };
const slave =
  place.tcp === undefined
    ? new ServerSerial(registers, { path: place.path, baudRate: place.baud, unitID: place.unit })
    : new ServerTCP(registers, { host: '127.0.0.1', port: place.tcp });
slave.on('initialized', () => console.log('ready'));
slave.on('serverError', (error) => {
  console.error(error.message);
  process.exit(1);
});
process.stdin.resume().on('end', () => process.exit(0)); // it ends with the test that started it
